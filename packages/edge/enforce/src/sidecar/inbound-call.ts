import { hex, type ServiceId } from '@quantum-ip/base'
import type { Verdict } from '@quantum-ip/verifier'

/** A verified call of this service by another. **Holds its token, a bearer secret: neither inspection nor JSON shows the text.** */
export class InboundCall {
  readonly #token: string
  /** Who called. */
  readonly identity: ServiceId
  /** Two calls with the same one have the same caller, build and callers before: a chain out of either says the same. */
  readonly callerKey: string
  /** Milliseconds; not used from then on. */
  readonly endsMs: number

  constructor(token: string, caller: Pick<InboundCall, 'identity' | 'callerKey' | 'endsMs'>) {
    this.#token = token
    this.identity = caller.identity
    this.callerKey = caller.callerKey
    this.endsMs = caller.endsMs
  }

  /** The token that it was made with. */
  get token(): string {
    return this.#token
  }
}

/** What tells callers apart: who, which build, and on whose behalf. */
export function callerKeyOf({ identity, build, chain }: Verdict): string {
  const hops = (chain ?? []).map(({ sid, attestationLog, attestationIndex }) =>
    [sid, attestationLog, attestationIndex].join(' '),
  )
  return JSON.stringify([identity, build === undefined ? null : hex(build.digest), build?.evidence, hops])
}
