import type { AuthorityOptions } from '../authority-options.ts'
import type { AuthorityParts } from '../authority-parts.ts'
import type { Issuer } from '../issuance/issuer.ts'
import type { TokenLog } from '../issuance/token-log.ts'
import { listedHead } from '../state/listed-logs.ts'
import { issueProbe } from './issue-probe.ts'
import type { HeldKey } from './key-ring.ts'
import { gatePolicyDefault } from './rotation-gate.ts'
import { Rotations, type RotationsOptions } from './rotations.ts'

/** What rotations need of an authority. */
export interface RotationGrounds extends Pick<
  AuthorityParts,
  'store' | 'clock' | 'random' | 'keys' | 'lifecycle' | 'publisher' | 'fleet' | 'logs'
> {
  readonly issuer: Issuer
  readonly follow: RotationsOptions['follow']
}

/** The rotations of an authority, over its parts. */
export function openRotations(options: AuthorityOptions, grounds: RotationGrounds): Rotations {
  const { store, clock, keys, lifecycle, publisher, fleet, follow } = grounds
  return new Rotations({
    sql: store.sql,
    keys,
    lifecycle,
    fleet,
    clock,
    policy: { ...gatePolicyDefault, ...options.rotation },
    issueProbe: (rotation) => {
      const openLog = (kid: string) => openListed(grounds, kid)
      const { highWater } = store
      return issueProbe({ ...grounds, td: options.trustDomain, highWater, openLog }, rotation)
    },
    publishKeys: async () => {
      await publisher.publishKeys()
      return publisher.bundle.sequence
    },
    follow,
    onEvent: (event, detail) => options.onEvent?.(event, detail),
  })
}

/** Opens the log of a key that does not issue yet, which states list from now on. */
async function openListed(
  { keys, lifecycle, logs }: RotationGrounds,
  kid: string,
): Promise<TokenLog | undefined> {
  const log = await lifecycle.openLogOf(keys.get(kid) as HeldKey)
  if (log !== undefined) logs.set(log.origin, listedHead(log))
  return log
}
