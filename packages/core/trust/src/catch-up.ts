import { equalBytes } from '@quantum-ip/base'
import { chainHead, type HeadRecord } from './head-record.ts'
import { chainRevocation, type RevocationRecord } from './revocation-record.ts'
import { TrustError } from './trust-errors.ts'

/** Where a revocation chain stands: a part of every state. */
export interface RevocationChain {
  readonly epoch: number
  /** r_epoch. */
  readonly revocations: Uint8Array
}

/**
 * Verifies that `records` are exactly the revocations between two signed states, and returns them. Records that are not signed
 * themselves become as trustworthy as the later state.
 *
 * Records at or below `from.epoch` and above `to.epoch` are left out first, so that an answer may overlap on both sides.
 *
 * @throws {TrustError} `QIP_TRUST_REVOCATIONS_MISSING` if there is a gap · `QIP_TRUST_CHAIN_MISMATCH` if they do not add up ·
 *   `QIP_TRUST_WENT_BACKWARDS` if `to` is before `from`.
 */
export function verifyRevocations(input: {
  readonly from: RevocationChain
  readonly to: RevocationChain
  readonly records: readonly RevocationRecord[]
}): readonly RevocationRecord[] {
  const { from, to } = input
  if (to.epoch < from.epoch) {
    const details = { document: 'state', what: 'epoch', held: from.epoch, offered: to.epoch } as const
    throw new TrustError('QIP_TRUST_WENT_BACKWARDS', details)
  }
  const records = input.records.filter(({ epoch }) => epoch > from.epoch && epoch <= to.epoch)
  let hash = from.revocations
  for (const [index, record] of records.entries()) {
    if (record.epoch !== from.epoch + 1 + index) throw missing(from.epoch + index, to.epoch)
    hash = chainRevocation(hash, record)
  }
  if (from.epoch + records.length !== to.epoch) throw missing(from.epoch + records.length, to.epoch)
  if (!equalBytes(hash, to.revocations))
    throw new TrustError('QIP_TRUST_CHAIN_MISMATCH', { chain: 'revocations' })
  return records
}

function missing(held: number, needed: number): TrustError {
  return new TrustError('QIP_TRUST_REVOCATIONS_MISSING', { held, needed })
}

/**
 * Verifies that `heads` are exactly those that states listed after the state with chain `from`, up to and with the one with
 * chain `to`, in order; and returns them.
 *
 * @throws {TrustError} `QIP_TRUST_CHAIN_MISMATCH` otherwise.
 */
export function verifyHeads(input: {
  readonly from: Uint8Array
  readonly to: Uint8Array
  readonly heads: readonly HeadRecord[]
}): readonly HeadRecord[] {
  const { from, to, heads } = input
  if (
    !equalBytes(
      heads.reduce((chain, head) => chainHead(chain, head), from),
      to,
    )
  ) {
    throw new TrustError('QIP_TRUST_CHAIN_MISMATCH', { chain: 'heads' })
  }
  return heads
}
