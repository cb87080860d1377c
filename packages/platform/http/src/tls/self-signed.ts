import { generateKeyPairSync, type KeyObject, sign } from 'node:crypto'
import { isIPv4, isIPv6 } from 'node:net'
import { type Clock, type Random, systemClock, systemRandom, utf8 } from '@quantum-ip/base'
import { sha256 } from '@quantum-ip/crypto'
import { bits, der, explicit, integer, octets, oid, sequence, setOf, time, utf8String, yes } from './der.ts'
import type { TlsIdentity } from './tls-files.ts'

/** What {@link createSelfSignedCertificate} takes. */
export interface SelfSignedOptions {
  /** DNS names, IP addresses and URIs (`spiffe://…`) that the certificate is for; the first is its common name. */
  readonly names: readonly string[]
  /** Absent: ECDSA P-256, which every client knows. */
  readonly algorithm?: 'ECDSA-P-256' | 'Ed25519'
  /** Absent: 90 days. */
  readonly validForMs?: number
  readonly clock?: Clock
  readonly random?: Random
}

const day = 86_400_000

/**
 * Makes a key and a certificate that it signs itself: X.509 version 3 (RFC 5280), for TLS servers,
 * no authority over others. A client trusts it by having it, as `ca`.
 *
 * It begins an hour before now, for clients whose clock is behind.
 */
export function createSelfSignedCertificate(options: SelfSignedOptions): TlsIdentity {
  const {
    names,
    algorithm = 'ECDSA-P-256',
    validForMs = 90 * day,
    clock = systemClock,
    random = systemRandom,
  } = options
  const [commonName] = names
  if (commonName === undefined) throw new TypeError('a certificate needs a name')
  const { privateKey, publicKey } = keyPair(algorithm)
  const spki = publicKey.export({ type: 'spki', format: 'der' })
  const name = sequence(setOf(sequence(oid('2.5.4.3'), utf8String(commonName.slice(0, 64)))))
  const now = clock.now()
  const signatureAlgorithm = sequence(oid(algorithm === 'Ed25519' ? '1.3.101.112' : '1.2.840.10045.4.3.2'))
  const certificate = sequence(
    explicit(0, integer(new Uint8Array([2]))),
    integer(serial(random)),
    signatureAlgorithm,
    name,
    sequence(time(now - 3_600_000), time(now + validForMs)),
    name,
    spki,
    explicit(3, extensions(names, spki)),
  )
  const signature = sign(algorithm === 'Ed25519' ? null : 'sha256', certificate, privateKey)
  return {
    certificate: pem('CERTIFICATE', sequence(certificate, signatureAlgorithm, bits(signature))),
    key: privateKey.export({ type: 'pkcs8', format: 'pem' }),
  }
}

function keyPair(algorithm: 'ECDSA-P-256' | 'Ed25519'): { privateKey: KeyObject; publicKey: KeyObject } {
  return algorithm === 'Ed25519'
    ? generateKeyPairSync('ed25519')
    : generateKeyPairSync('ec', { namedCurve: 'P-256' })
}

// Positive, not zero, at most 20 octets (RFC 5280, section 4.1.2.2).
function serial(random: Random): Uint8Array {
  const bytes = random.bytes(16)
  bytes[0] = ((bytes[0] ?? 0) & 0x7f) | 0x40
  return bytes
}

function extensions(names: readonly string[], spki: Uint8Array): Uint8Array {
  // The leftmost 160 bits of SHA-256 (RFC 7093, section 2, method 1 but over the whole key info).
  const keyHash = sha256(spki).subarray(0, 20)
  return sequence(
    extension('2.5.29.17', sequence(...names.map(generalName))),
    extension('2.5.29.19', sequence(), true),
    // digitalSignature, the first bit
    extension('2.5.29.15', bits(new Uint8Array([0x80]), 7), true),
    // serverAuth
    extension('2.5.29.37', sequence(oid('1.3.6.1.5.5.7.3.1'))),
    extension('2.5.29.14', octets(keyHash)),
  )
}

function extension(id: string, value: Uint8Array, critical = false): Uint8Array {
  return critical ? sequence(oid(id), yes, octets(value)) : sequence(oid(id), octets(value))
}

// GeneralName ::= dNSName [2], uniformResourceIdentifier [6], iPAddress [7]
function generalName(name: string): Uint8Array {
  if (isIPv4(name) || isIPv6(name)) return der(0x87, ipBytes(name))
  return der(name.includes('://') ? 0x86 : 0x82, utf8(name))
}

const words = (text: string): number[] =>
  text === '' ? [] : text.split(':').map((word) => Number.parseInt(word, 16))

function ipBytes(address: string): Uint8Array {
  if (isIPv4(address)) return new Uint8Array(address.split('.').map(Number))
  const [head = '', tail] = expandIpv4(address).split('::')
  const before = words(head)
  const after = tail === undefined ? [] : words(tail)
  const zeros = Array.from({ length: 8 - before.length - after.length }, () => 0)
  return new Uint8Array([...before, ...zeros, ...after].flatMap((word) => [word >> 8, word & 0xff]))
}

// ::ffff:1.2.3.4
function expandIpv4(address: string): string {
  return address.replace(/(\d+)\.(\d+)\.(\d+)\.(\d+)$/, (_all, ...parts: string[]) => {
    const [a = 0, b = 0, c = 0, d = 0] = parts.slice(0, 4).map(Number)
    return `${((a << 8) | b).toString(16)}:${((c << 8) | d).toString(16)}`
  })
}

function pem(label: string, bytes: Uint8Array): string {
  const lines =
    Buffer.from(bytes)
      .toString('base64')
      .match(/.{1,64}/g) ?? []
  return `-----BEGIN ${label}-----\n${lines.join('\n')}\n-----END ${label}-----\n`
}
