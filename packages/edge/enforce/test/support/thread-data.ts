import type { RootPins } from '@quantum-ip/trust'
import type { TestDomain } from './domain.ts'

/** What a test gives each thread. */
export interface ThreadData {
  readonly td: string
  readonly pins: RootPins
  readonly service: string
  /** Where the gateway relays to; `undefined` runs ext_authz over gRPC in its place. */
  readonly upstream: string | undefined
  /** Forward authentication in its place. */
  readonly isForward?: boolean
  readonly replay: SharedArrayBuffer
  readonly documents: { readonly root: string; readonly bundle: string; readonly states: readonly string[] }
  readonly fails?: boolean
}

/** What a thread needs to know of a domain. */
export function threadData(
  domain: TestDomain,
  { upstream, isForward = false, replay }: Pick<ThreadData, 'upstream' | 'isForward' | 'replay'>,
): ThreadData {
  const { roots, bundles, states } = domain.published
  const documents = { root: roots.at(-1) ?? '', bundle: bundles.at(-1) ?? '', states }
  return { td: domain.td, pins: domain.pins, service: domain.shop, upstream, isForward, replay, documents }
}
