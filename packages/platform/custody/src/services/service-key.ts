import { createPublicKey, type KeyObject } from 'node:crypto'
import { isQipError } from '@quantum-ip/base'
import { parsePublicKey, type PublicKey, type SignatureAlgorithm } from '@quantum-ip/crypto'
import { type ServiceRequest, serviceFailure } from './service-failure.ts'

/** A public key as a service returned it: raw, or as SubjectPublicKeyInfo. */
export type ReturnedKey =
  | { readonly raw: Uint8Array }
  | { readonly der: Uint8Array }
  | { readonly pem: string }

/** Reads a public key. @throws {CustodyError} `QIP_CUSTODY_SERVICE_FAULTY` if it is no key of `alg` */
export function readReturnedKey(
  returned: ReturnedKey,
  alg: SignatureAlgorithm,
  request: ServiceRequest,
): PublicKey {
  try {
    return parsePublicKey(alg, 'raw' in returned ? returned.raw : rawOf(importKey(returned), alg))
  } catch (cause) {
    if (!isQipError(cause) && !(cause instanceof Error)) throw cause
    throw serviceFailure('faulty', request, `it is no public key of ${alg}`, cause)
  }
}

function importKey(returned: { readonly der: Uint8Array } | { readonly pem: string }): KeyObject {
  if ('pem' in returned) return createPublicKey(returned.pem)
  return createPublicKey({ key: Buffer.from(returned.der), format: 'der', type: 'spki' })
}

function rawOf(key: KeyObject, alg: SignatureAlgorithm): Uint8Array {
  // A key of another algorithm may have the same length.
  if (key.asymmetricKeyType !== alg.toLowerCase()) throw new Error(`it is of type ${key.asymmetricKeyType}`)
  return key.export({ format: 'raw-public' })
}

/** The names of keys begin with this, where nothing is configured. */
export const defaultPrefix = 'quantum-ip'
