import { CustodyError } from '../custody-errors.ts'

/** Why a key service did not do what it was asked. */
export type FailureKind = 'denied' | 'throttled' | 'unavailable' | 'disabled' | 'refused' | 'faulty'

/** A request to a key service. */
export interface ServiceRequest {
  readonly service: string
  /** As the service calls it, so that its policies can be compared. */
  readonly operation: string
  /** The key that it is about, where it is about one. */
  readonly kid?: string | undefined
}

/** The error for a failed request. */
export function serviceFailure(
  kind: FailureKind,
  { service, operation, kid }: ServiceRequest,
  reason: string,
  cause?: unknown,
): CustodyError {
  const details = { service, operation, reason: short(reason) }
  switch (kind) {
    case 'denied':
      return new CustodyError('QIP_CUSTODY_SERVICE_DENIED', details, { cause })
    case 'throttled':
      return new CustodyError('QIP_CUSTODY_SERVICE_THROTTLED', { service, operation }, { cause })
    case 'unavailable':
      return new CustodyError('QIP_CUSTODY_SERVICE_UNAVAILABLE', details, { cause })
    case 'disabled':
      return new CustodyError(
        'QIP_CUSTODY_KEY_DISABLED',
        { service, kid: kid ?? 'unknown', reason: short(reason) },
        { cause },
      )
    case 'faulty':
      return new CustodyError('QIP_CUSTODY_SERVICE_FAULTY', details, { cause })
    case 'refused':
      return new CustodyError('QIP_CUSTODY_SERVICE_REFUSED', details, { cause })
  }
}

/** Loads the package of a service's maker, which is there only where it is used. @throws {CustodyError} `QIP_CUSTODY_SDK_MISSING` */
export async function loadSdk<Sdk>(
  service: string,
  packageName: string,
  load: () => Promise<Sdk>,
): Promise<Sdk> {
  try {
    return await load()
  } catch (cause) {
    if ((cause as { code?: string }).code !== 'ERR_MODULE_NOT_FOUND') throw cause
    throw new CustodyError('QIP_CUSTODY_SDK_MISSING', { service, packageName }, { cause })
  }
}

// What a service says is for people: enough of it to understand.
function short(text: string): string {
  const line = text.replaceAll(/\s+/g, ' ').trim()
  return line.length > 240 ? `${line.slice(0, 240)}…` : line
}
