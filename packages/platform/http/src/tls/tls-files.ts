import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { type Clock, systemClock } from '@quantum-ip/base'
import { HttpError } from '../http-errors.ts'
import { fileReason } from '../lib/file-reason.ts'

/** A certificate chain and the private key of its leaf, as PEM. */
export interface TlsIdentity {
  readonly certificate: string
  readonly key: string
}

/**
 * Reads a certificate and its key from files, and checks now what would otherwise fail in each handshake:
 * that both are PEM, belong together and that the certificate is valid at this time.
 *
 * @throws {HttpError} `QIP_HTTP_FILE_UNREADABLE` if a file cannot be read.
 * @throws {HttpError} `QIP_HTTP_CERTIFICATE_INVALID` if the two cannot be used.
 */
export async function readTlsIdentity(options: {
  readonly certificateFile: string
  readonly keyFile: string
  readonly clock?: Clock
}): Promise<TlsIdentity> {
  const { certificateFile, keyFile, clock = systemClock } = options
  const [certificate, key] = await Promise.all([
    readText(certificateFile, 'TLS certificate'),
    readText(keyFile, 'TLS key'),
  ])
  let leaf: X509Certificate
  try {
    leaf = new X509Certificate(certificate)
  } catch (cause) {
    throw refuse(certificateFile, 'it is not a PEM certificate', cause)
  }
  // The cause is left out: OpenSSL's messages about keys are none of a log's business.
  const privateKey = readKey(key)
  if (privateKey === undefined)
    throw refuse(certificateFile, 'its key file holds no unencrypted PEM private key')
  if (!leaf.checkPrivateKey(privateKey))
    throw refuse(certificateFile, 'its key file holds the key of another certificate')
  const now = clock.now()
  if (now >= leaf.validToDate.getTime())
    throw refuse(certificateFile, `it expired at ${leaf.validToDate.toISOString()}`)
  if (now < leaf.validFromDate.getTime()) {
    throw refuse(certificateFile, `it is valid from ${leaf.validFromDate.toISOString()} on only`)
  }
  return { certificate, key }
}

function refuse(path: string, reason: string, cause?: unknown): HttpError {
  return new HttpError('QIP_HTTP_CERTIFICATE_INVALID', { path, reason }, { cause })
}

function readKey(pem: string): KeyObject | undefined {
  try {
    return createPrivateKey(pem)
  } catch {
    return undefined
  }
}

async function readText(path: string, what: string): Promise<string> {
  try {
    return await readFile(path, 'utf8')
  } catch (cause) {
    throw new HttpError('QIP_HTTP_FILE_UNREADABLE', { path, what, reason: fileReason(cause) }, { cause })
  }
}
