import { Buffer } from 'node:buffer'
import { X509Certificate } from 'node:crypto'
import { parseBase64, parseHex } from '@quantum-ip/base'
import { certificateOf } from './peer-certificate.ts'
import type { ClientCertificate } from './point-request.ts'
import { readXfccElement } from './xfcc.ts'

/**
 * How a proxy that ends TLS says which certificate its client showed:
 *
 * - `xfcc`: Envoy's `x-forwarded-client-cert`, where it has one element; the name of the certificate only from its `Cert`
 * - `nginx`: `$ssl_client_verify` in `x-ssl-client-verify`, which must be `SUCCESS`, and `$ssl_client_escaped_cert` in `x-ssl-client-cert`
 * - `client-cert`: `Client-Cert` of RFC 9440
 */
export type CertificateSource = 'xfcc' | 'nginx' | 'client-cert'

/** The fields of each source, lower case. They are for the point alone: whoever could set them could be anybody. */
export const certificateFields: Readonly<Record<CertificateSource, readonly string[]>> = {
  xfcc: ['x-forwarded-client-cert'],
  nginx: ['x-ssl-client-verify', 'x-ssl-client-cert'],
  'client-cert': ['client-cert', 'client-cert-chain'],
}

const fieldCharsMax = 32_768

/**
 * The certificate that a proxy in front says its client showed; `undefined` where it says none, or it cannot be read. Never throws.
 *
 * Only for requests of proxies that are believed, which check certificates before they tell of them, and that set or remove the fields
 * on each request. A field that comes twice says nothing. `fields` is flat, with lower-case names.
 */
export function readForwardedCertificate(
  source: CertificateSource,
  fields: readonly string[],
): ClientCertificate | undefined {
  if (source === 'nginx' && only(fields, 'x-ssl-client-verify') !== 'SUCCESS') return undefined
  const text = only(fields, source === 'nginx' ? 'x-ssl-client-cert' : (certificateFields[source][0] ?? ''))
  if (text === undefined || text === '' || text.length > fieldCharsMax) return undefined
  if (source === 'xfcc') return readXfcc(text)
  return source === 'nginx' ? readEscapedCertificate(text) : readByteSequence(text)
}

function only(fields: readonly string[], name: string): string | undefined {
  let found: string | undefined
  for (let i = 0; i < fields.length; i += 2) {
    if (fields[i] !== name) continue
    if (found !== undefined) return undefined
    found = fields[i + 1]
  }
  return found
}

function readXfcc(text: string): ClientCertificate | undefined {
  const element = readXfccElement(text)
  if (element === undefined) return undefined
  const { hash, cert } = element
  const whole = cert === undefined ? undefined : readEscapedCertificate(cert)
  if (cert !== undefined && whole === undefined) return undefined
  if (hash === undefined) return whole
  if (!/^[0-9a-f]{64}$/.test(hash)) return undefined
  const thumbprint = parseHex(hash)
  if (whole !== undefined) return Buffer.compare(whole.thumbprint, thumbprint) === 0 ? whole : undefined
  return { thumbprint, authorized: true, commonName: undefined, serviceId: undefined }
}

const pemForm = /^-----BEGIN CERTIFICATE-----\n([A-Za-z0-9+/=\n]+)\n-----END CERTIFICATE-----\n?$/

/**
 * The certificate that somebody who is believed tells in PEM, URL-encoded, as nginx and Envoy do; `undefined` for anything else, two
 * certificates included. Never throws.
 */
export function readEscapedCertificate(text: string): ClientCertificate | undefined {
  if (text.length > fieldCharsMax) return undefined
  let pem: string
  try {
    pem = decodeURIComponent(text)
  } catch {
    return undefined
  }
  const [, body] = pemForm.exec(pem) ?? []
  return body === undefined ? undefined : readDer(body.replaceAll('\n', ''))
}

/** A byte sequence of RFC 9651, section 3.3.5, without parameters. */
function readByteSequence(text: string): ClientCertificate | undefined {
  return text.length > 2 && text.startsWith(':') && text.endsWith(':')
    ? readDer(text.slice(1, -1))
    : undefined
}

// The certificate of a connection comes with each of its requests: it is read once.
const known = new Map<string, ClientCertificate>()
const knownMax = 1_024

function readDer(base64: string): ClientCertificate | undefined {
  let certificate = known.get(base64)
  if (certificate !== undefined) return certificate
  try {
    certificate = certificateOf(new X509Certificate(parseBase64(base64)), true)
  } catch {
    return undefined
  }
  if (known.size >= knownMax) known.clear()
  known.set(base64, certificate)
  return certificate
}
