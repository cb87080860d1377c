import { createHash, createPrivateKey, generateKeyPairSync, sign } from 'node:crypto'

// X.509 by hand, as small as it gets: the tests need certificates of their own and no tool to make them.

/** A key and a self-signed certificate, PEM. */
export interface TestCertificate {
  readonly commonName: string
  readonly key: string
  readonly cert: string
  /** SHA-256 of the DER encoding. */
  readonly thumbprint: Buffer
}

/**
 * Makes a P-256 certificate for `localhost`, 127.0.0.1, `shop.acme.example` and, where given, a service ID. Signed by itself where there is
 * no issuer.
 */
export function makeCertificate(
  commonName: string,
  serviceId?: string,
  issuer?: TestCertificate,
): TestCertificate {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const ecdsaSha256 = sequence(oid('2a8648ce3d040302'))
  const names = [
    tlv(0x82, Buffer.from('localhost')),
    tlv(0x82, Buffer.from('shop.acme.example')),
    tlv(0x87, Buffer.from([127, 0, 0, 1])),
  ]
  if (serviceId !== undefined) names.push(tlv(0x86, Buffer.from(serviceId)))
  const extensions = sequence(
    sequence(oid('551d13'), boolean(true), tlv(0x04, sequence(boolean(true)))),
    sequence(oid('551d11'), tlv(0x04, sequence(...names))),
  )
  const body = sequence(
    tlv(0xa0, integer(2)),
    integer(1 + Math.floor(Math.random() * 1_000_000)),
    ecdsaSha256,
    nameOf(issuer?.commonName ?? commonName),
    sequence(tlv(0x17, Buffer.from('250101000000Z')), tlv(0x17, Buffer.from('490101000000Z'))),
    nameOf(commonName),
    publicKey.export({ type: 'spki', format: 'der' }),
    tlv(0xa3, extensions),
  )
  const key = privateKey.export({ type: 'pkcs8', format: 'pem' })
  const signature = sign('sha256', body, createPrivateKey(issuer?.key ?? key))
  const der = sequence(body, ecdsaSha256, tlv(0x03, Buffer.concat([Buffer.from([0]), signature])))
  const lines = (der.toString('base64').match(/.{1,64}/g) ?? []).join('\n')
  return {
    commonName,
    key,
    cert: `-----BEGIN CERTIFICATE-----\n${lines}\n-----END CERTIFICATE-----\n`,
    thumbprint: createHash('sha256').update(der).digest(),
  }
}

function nameOf(commonName: string): Buffer {
  return sequence(set(sequence(oid('550403'), tlv(0x0c, Buffer.from(commonName)))))
}

function tlv(tag: number, content: Buffer): Buffer {
  const { length } = content
  const size = length < 128 ? [length] : length < 256 ? [0x81, length] : [0x82, length >> 8, length & 255]
  return Buffer.concat([Buffer.from([tag, ...size]), content])
}

const sequence = (...parts: Buffer[]): Buffer => tlv(0x30, Buffer.concat(parts))
const set = (...parts: Buffer[]): Buffer => tlv(0x31, Buffer.concat(parts))
const oid = (hex: string): Buffer => tlv(0x06, Buffer.from(hex, 'hex'))
const boolean = (value: boolean): Buffer => tlv(0x01, Buffer.from([value ? 255 : 0]))

function integer(value: number): Buffer {
  const hex = value.toString(16)
  const bytes = Buffer.from(hex.length % 2 === 0 ? hex : `0${hex}`, 'hex')
  return tlv(0x02, (bytes[0] as number) > 127 ? Buffer.concat([Buffer.from([0]), bytes]) : bytes)
}
