import { isQipError, limits, parseTrustDomain, type TrustDomain } from '@quantum-ip/base'
import type { DocumentKind } from '../payload-types.ts'
import { TrustError } from '../trust-errors.ts'
import type { Members } from './members.ts'

/** The trust domain in the member `td`. */
export function parseDomain(document: Members): TrustDomain {
  try {
    return parseTrustDomain(document.text('td', limits.serviceIdBytesMax))
  } catch (cause) {
    if (!isQipError(cause, 'QIP_BASE_SERVICE_ID_MALFORMED')) throw cause
    throw document.malformed('td', 'is not a trust domain', { cause })
  }
}

/** Refuses a document that speaks for another trust domain. */
export function checkDomain(document: DocumentKind, expected: TrustDomain, found: TrustDomain): void {
  if (found !== expected) throw new TrustError('QIP_TRUST_DOMAIN_MISMATCH', { document, expected, found })
}
