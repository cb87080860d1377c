import { X509Certificate } from 'node:crypto'
import { mkdir } from 'node:fs/promises'
import { isIP } from 'node:net'
import { join } from 'node:path'
import { type Clock, systemClock } from '@quantum-ip/base'
import type { TlsConfig } from '../config/config.ts'
import { HttpError } from '../http-errors.ts'
import { fileReason } from '../lib/file-reason.ts'
import { writeWhole } from '../lib/write-whole.ts'
import type { ListenerTls } from '../listener.ts'
import { createSelfSignedCertificate } from './self-signed.ts'
import { readTlsIdentity, type TlsIdentity } from './tls-files.ts'

/** What {@link createListenerTls} takes. */
export interface ListenerTlsOptions {
  readonly tls: TlsConfig
  /** DNS names and addresses that a self-signed certificate is for. */
  readonly names: readonly string[]
  /** Where a self-signed certificate and its key are kept, so that clients that were given it know it after a restart. */
  readonly directory: string
  readonly clock?: Clock
}

const week = 604_800_000

/**
 * What a listener needs of a `tls` section: the files that it names, or a self-signed certificate, which is made
 * once and kept as `tls-certificate.pem` and `tls-key.pem` (0600) until a week before it expires, or until it has
 * to be for other names.
 *
 * @throws {HttpError} `QIP_HTTP_FILE_UNREADABLE`, `QIP_HTTP_CERTIFICATE_INVALID` or `QIP_HTTP_FILE_UNWRITABLE`.
 */
export async function createListenerTls(options: ListenerTlsOptions): Promise<ListenerTls> {
  const { tls, clock = systemClock } = options
  const { certificate, keyExchange } = tls
  if (certificate !== 'self-signed')
    return { ...(await readTlsIdentity({ ...certificate, clock })), keyExchange }
  return { ...(await selfSigned(options, clock)), keyExchange }
}

async function selfSigned({ names, directory }: ListenerTlsOptions, clock: Clock): Promise<TlsIdentity> {
  const certificateFile = join(directory, 'tls-certificate.pem')
  const keyFile = join(directory, 'tls-key.pem')
  const kept = await readKept({ certificateFile, keyFile, clock })
  if (kept !== undefined && serves(kept, names, clock)) return kept
  const made = createSelfSignedCertificate({ names, clock })
  try {
    await mkdir(directory, { recursive: true, mode: 0o700 })
    await writeWhole(keyFile, made.key, 0o600)
    await writeWhole(certificateFile, made.certificate, 0o644)
  } catch (cause) {
    const details = { path: directory, what: 'TLS certificate in', reason: fileReason(cause) }
    throw new HttpError('QIP_HTTP_FILE_UNWRITABLE', details, { cause })
  }
  return made
}

// Whatever cannot be used is made anew: missing, expired, or two halves of different pairs after a crash in between.
async function readKept(files: Parameters<typeof readTlsIdentity>[0]): Promise<TlsIdentity | undefined> {
  try {
    return await readTlsIdentity(files)
  } catch {
    return undefined
  }
}

function serves({ certificate }: TlsIdentity, names: readonly string[], clock: Clock): boolean {
  const parsed = new X509Certificate(certificate)
  if (parsed.validToDate.getTime() - clock.now() < week) return false
  return names.every((name) => isFor(parsed, name))
}

function isFor(certificate: X509Certificate, name: string): boolean {
  if (isIP(name) !== 0) return certificate.checkIP(name) !== undefined
  if (name.includes('://')) return certificate.subjectAltName?.split(', ').includes(`URI:${name}`) === true
  return certificate.checkHost(name, { subject: 'never' }) !== undefined
}
