import { limits } from '@quantum-ip/base'
import type { DocumentKind } from '../payload-types.ts'
import { TrustError } from '../trust-errors.ts'

/** Refuses a document that has expired, beyond the clock tolerance. */
export function checkNotExpired(document: DocumentKind, expiresS: number, timeS: number): void {
  if (isExpired(expiresS, timeS)) {
    throw new TrustError('QIP_TRUST_DOCUMENT_EXPIRED', { document, expiresS, timeS: Math.floor(timeS) })
  }
}

/** Whether `expiresS` has passed, beyond the clock tolerance. */
export function isExpired(expiresS: number, timeS: number): boolean {
  return timeS > expiresS + limits.clockToleranceS
}

/** Refuses a document that was made later than now, beyond the clock tolerance. */
export function checkNotAhead(document: DocumentKind, madeMs: number, timeMs: number): void {
  const aheadMs = Math.ceil(madeMs - timeMs)
  if (aheadMs > limits.clockToleranceS * 1_000) {
    throw new TrustError('QIP_TRUST_TIME_AHEAD', { document, aheadMs })
  }
}
