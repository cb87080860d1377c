import { createHash, generateKeyPairSync, sign } from 'node:crypto'

/** A key and a certificate for `localhost` that it signed itself, PEM, and the certificate's SHA-256. */
export interface TestCertificate {
  readonly key: string
  readonly cert: string
  readonly sha256: string
}

// DER by hand: a type, a length, a content.
function der(type: number, ...parts: Buffer[]): Buffer {
  const content = Buffer.concat(parts)
  const { length } = content
  const sizes =
    length < 0x80 ? [length] : length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff]
  return Buffer.concat([Buffer.from([type, ...sizes]), content])
}

const sequence = (...parts: Buffer[]) => der(0x30, ...parts)
const objectId = (digits: string) => der(0x06, Buffer.from(digits, 'hex'))
const utcTime = (text: string) => der(0x17, Buffer.from(text))

/** Makes a P-256 certificate, valid until 2049. */
export function makeCertificate(): TestCertificate {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const ecdsaWithSha256 = sequence(objectId('2a8648ce3d040302'))
  const name = sequence(der(0x31, sequence(objectId('550403'), der(0x0c, Buffer.from('localhost')))))
  const subjectAltName = der(0x04, sequence(der(0x82, Buffer.from('localhost'))))
  const body = sequence(
    der(0xa0, der(0x02, Buffer.from([2]))),
    der(0x02, Buffer.from([1])),
    ecdsaWithSha256,
    name,
    sequence(utcTime('250101000000Z'), utcTime('490101000000Z')),
    name,
    publicKey.export({ type: 'spki', format: 'der' }),
    der(0xa3, sequence(sequence(objectId('551d11'), subjectAltName))),
  )
  const signature = der(0x03, Buffer.from([0]), sign('sha256', body, privateKey))
  const whole = sequence(body, ecdsaWithSha256, signature)
  const lines = whole.toString('base64').replaceAll(/.{1,64}/g, '$&\n')
  return {
    key: privateKey.export({ type: 'pkcs8', format: 'pem' }),
    cert: `-----BEGIN CERTIFICATE-----\n${lines}-----END CERTIFICATE-----\n`,
    sha256: createHash('sha256').update(whole).digest('hex'),
  }
}
