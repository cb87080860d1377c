import { BaseError } from './base-errors.ts'
import { limits } from './limits.ts'

/** A SPIFFE ID with a path, `spiffe://acme.example/ns/prod/sa/shop`: who a workload is. */
export type ServiceId = string

/** A SPIFFE trust domain, `spiffe://acme.example`, as configuration and documents write it. */
export type TrustDomain = string

const trustDomainForm = /^spiffe:\/\/[a-z0-9._-]{1,255}$/
const serviceIdForm = /^spiffe:\/\/[a-z0-9._-]{1,255}(?:\/[a-zA-Z0-9._-]+)+$/

/**
 * Checks that `text` is a service ID and returns it: a SPIFFE ID with a path, at most 512 bytes.
 *
 * The form is that of {@link https://github.com/spiffe/spiffe/blob/main/standards/SPIFFE-ID.md SPIFFE-ID, section 2}:
 * no percent-encoding, no empty, `.` or `..` segment, no trailing slash.
 *
 * @throws {BaseError} `QIP_BASE_SERVICE_ID_MALFORMED` with the reason.
 */
export function parseServiceId(text: string): ServiceId {
  const reason = refusal(text)
  if (reason !== undefined) throw new BaseError('QIP_BASE_SERVICE_ID_MALFORMED', { reason })
  return text
}

/** Whether `text` is a service ID. The hot path asks this way: it allocates nothing. */
export function isServiceId(text: string): text is ServiceId {
  return refusal(text) === undefined
}

function refusal(text: string): string | undefined {
  if (text.length > limits.serviceIdBytesMax) return `longer than ${limits.serviceIdBytesMax} bytes`
  if (!serviceIdForm.test(text)) return 'not of the form `spiffe://<trust domain>/<path>`'
  // "/." occurs in few names, so the exact test for dot segments rarely runs.
  if (text.includes('/.') && /\/\.{1,2}(?:\/|$)/.test(text)) {
    return isDots(trustDomainOf(text)) ? 'the trust domain is `.` or `..`' : 'a path segment is `.` or `..`'
  }
  return undefined
}

/**
 * Checks that `text` is a trust domain, `spiffe://<name>` without a path, and returns it.
 *
 * The name is that of SPIFFE-ID, section 2.1, but never `.` or `..`: it begins the origins of logs, whose paths
 * would then lead elsewhere. Each service ID is in a trust domain that passes here, and with each that passes here
 * there are service IDs.
 *
 * @throws {BaseError} `QIP_BASE_SERVICE_ID_MALFORMED` with the reason.
 */
export function parseTrustDomain(text: string): TrustDomain {
  if (!trustDomainForm.test(text)) {
    throw new BaseError('QIP_BASE_SERVICE_ID_MALFORMED', {
      reason: 'a trust domain is `spiffe://<name>`, without a path',
    })
  }
  if (isDots(text))
    throw new BaseError('QIP_BASE_SERVICE_ID_MALFORMED', { reason: 'the trust domain is `.` or `..`' })
  return text
}

function isDots(domain: TrustDomain): boolean {
  return domain === 'spiffe://.' || domain === 'spiffe://..'
}

/**
 * The trust domain of a well-formed service ID.
 *
 * @example
 * trustDomainOf('spiffe://acme.example/ns/prod/sa/shop') // => 'spiffe://acme.example'
 */
export function trustDomainOf(id: ServiceId): TrustDomain {
  const slash = id.indexOf('/', 9)
  return slash < 0 ? id : id.slice(0, slash)
}

/**
 * The bare name of a trust domain, as log origins write it.
 *
 * @example
 * trustDomainName('spiffe://acme.example') // => 'acme.example'
 */
export function trustDomainName(domain: TrustDomain): string {
  return domain.slice('spiffe://'.length)
}
