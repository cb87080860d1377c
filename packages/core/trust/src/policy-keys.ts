import type { PublicKey } from '@quantum-ip/crypto'
import { isAcceptable } from './key-record.ts'
import type { TrustView } from './trust-view.ts'

/** The keys whose signatures on policies count: `qip-policy` keys of the bundle that no revocation names. */
export function policyKeys(trust: PolicyKeySource): readonly PublicKey[] {
  return trust
    .keysOf('qip-policy')
    .filter((record) => isAcceptable(record) && !trust.revocations.isKeyRevoked(record.key.kid))
    .map(({ key }) => key)
}

/** What {@link policyKeys} asks. */
export interface PolicyKeySource {
  keysOf: TrustView['keysOf']
  readonly revocations: Pick<TrustView['revocations'], 'isKeyRevoked'>
}
