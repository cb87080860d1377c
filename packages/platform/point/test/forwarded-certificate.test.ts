import assert from 'node:assert/strict'
import { test } from 'node:test'
import { hex } from '@quantum-ip/base'
import * as fc from 'fast-check'
import { makeCertificate } from '../../../edge/enforce/test/support/certificates.ts'
import { type CertificateSource, readForwardedCertificate } from '../src/forwarded-certificate.ts'
import { readXfccElement } from '../src/xfcc.ts'

const web = 'spiffe://acme.example/ns/prod/sa/web'
const { cert: pem, thumbprint } = makeCertificate('caller', web)
const hash = hex(thumbprint)
const escaped = encodeURIComponent(pem)
const der = pem.replaceAll(/-----[A-Z ]+-----|\n/g, '')
const other = 'a'.repeat(64)

interface Readable {
  readonly name: string
  readonly from: CertificateSource
  readonly fields: readonly string[]
}

const xfcc = (value: string): readonly string[] => ['x-forwarded-client-cert', value]
const nginx = (cert: string, verify = 'SUCCESS'): readonly string[] => [
  'x-ssl-client-verify',
  verify,
  'x-ssl-client-cert',
  cert,
]

const readable: readonly Readable[] = [
  { name: 'a hash', from: 'xfcc', fields: xfcc(`Hash=${hash}`) },
  { name: 'keys in any case', from: 'xfcc', fields: xfcc(`hash=${hash};uri=${web}`) },
  { name: 'a certificate', from: 'xfcc', fields: xfcc(`Cert="${escaped}"`) },
  {
    name: 'all that Envoy may write',
    from: 'xfcc',
    fields: xfcc(
      `By=spiffe://a/b;Hash=${hash};Cert="${escaped}";Subject="CN=a\\"b,O=c;d";URI=${web};DNS=a.example`,
    ),
  },
  {
    name: 'what is in quotes as one value',
    from: 'xfcc',
    fields: xfcc(`Hash=${hash};Subject="a,Hash=${other};Hash=${other}";URI=`),
  },
  { name: 'the variables of nginx', from: 'nginx', fields: nginx(escaped) },
  { name: 'a byte sequence', from: 'client-cert', fields: ['client-cert', `:${der}:`] },
]

for (const { name, from, fields } of readable) {
  test(`reads ${name} of ${from}`, () => {
    const read = readForwardedCertificate(from, fields)
    assert.equal(hex(read?.thumbprint ?? new Uint8Array()), hash)
    assert.equal(read?.authorized, true)
  })
}

test('takes the service ID and the common name from the certificate', () => {
  const { serviceId, commonName } = readForwardedCertificate('nginx', nginx(escaped)) ?? {}
  assert.deepEqual([serviceId, commonName], [web, 'caller'])
  const told = readForwardedCertificate('xfcc', xfcc(`Hash=${hash};Cert="${escaped}";URI=${web}2`))
  assert.deepEqual([told?.serviceId, told?.commonName], [web, 'caller'])
})

test('takes no name from what Envoy writes beside the certificate', () => {
  const named = readForwardedCertificate('xfcc', xfcc(`Hash=${hash};Subject="CN=caller";URI=${web}`))
  assert.deepEqual([named?.serviceId, named?.commonName], [undefined, undefined])
})

const refused: readonly Readable[] = [
  { name: 'no field', from: 'xfcc', fields: [] },
  { name: 'the field of another source', from: 'xfcc', fields: nginx(escaped) },
  { name: 'two fields', from: 'xfcc', fields: [...xfcc(`Hash=${hash}`), ...xfcc(`Hash=${hash}`)] },
  { name: 'two elements', from: 'xfcc', fields: xfcc(`Hash=${other},Hash=${hash}`) },
  {
    name: 'a name with a comma in it, which begins another element',
    from: 'xfcc',
    fields: xfcc(`Hash=${other};URI=spiffe://a,Hash=${hash}`),
  },
  {
    name: 'a name with a semicolon in it, which begins another hash',
    from: 'xfcc',
    fields: xfcc(`Hash=${other};URI=spiffe://a;Hash=${hash}`),
  },
  {
    name: 'a name that brings a certificate of its own',
    from: 'xfcc',
    fields: xfcc(`Hash=${other};URI=spiffe://a;Cert="${escaped}"`),
  },
  { name: 'two hashes', from: 'xfcc', fields: xfcc(`Hash=${other};Hash=${hash}`) },
  { name: 'a hash of another certificate', from: 'xfcc', fields: xfcc(`Hash=${other};Cert="${escaped}"`) },
  { name: 'a hash of another length', from: 'xfcc', fields: xfcc(`Hash=${hash}00`) },
  { name: 'an open quote', from: 'xfcc', fields: xfcc(`Subject="a,Hash=${hash}`) },
  { name: 'something after a quote', from: 'xfcc', fields: xfcc(`Subject="a"b;Hash=${hash}`) },
  { name: 'no check by nginx', from: 'nginx', fields: ['x-ssl-client-cert', escaped] },
  { name: 'a failed check', from: 'nginx', fields: nginx(escaped, 'FAILED:self-signed certificate') },
  { name: 'no certificate', from: 'nginx', fields: nginx('', 'NONE') },
  { name: 'two certificates', from: 'nginx', fields: nginx(`${escaped}${escaped}`) },
  { name: 'a broken escape', from: 'nginx', fields: nginx(`${escaped}%`) },
  { name: 'two checks', from: 'nginx', fields: [...nginx(escaped), 'x-ssl-client-verify', 'SUCCESS'] },
  { name: 'no byte sequence', from: 'client-cert', fields: ['client-cert', der] },
  { name: 'bytes that are no certificate', from: 'client-cert', fields: ['client-cert', ':AAAA:'] },
  { name: 'parameters', from: 'client-cert', fields: ['client-cert', `:${der}:;a=1`] },
]

for (const { name, from, fields } of refused) {
  test(`reads nothing from ${name} of ${from}`, () => {
    assert.equal(readForwardedCertificate(from, fields), undefined)
  })
}

test('reads back what a proxy quotes', () => {
  const value = fc.string({ unit: 'grapheme-ascii' })
  fc.assert(
    fc.property(fc.array(value, { minLength: 1, maxLength: 8 }), (subjects) => {
      const before = subjects.map((subject) => `Subject=${quote(subject)}`).join(';')
      const read = readXfccElement(`${before};By=me;Hash=${hash}`)
      assert.deepEqual(read, { hash, cert: undefined })
    }),
  )
})

test('no text makes it throw, and no name that a certificate has makes it another certificate', () => {
  const anything = fc.oneof(
    fc.string(),
    fc.string({ unit: fc.constantFrom('a', 'H', 'h', '=', '"', ',', ';', '\\') }),
    fc.string().map((text) => `${text},Hash=${other}`),
    fc.string().map((text) => `${text};Hash=${other}`),
  )
  fc.assert(
    fc.property(anything, (text) => {
      readForwardedCertificate('nginx', nginx(text))
      readForwardedCertificate('client-cert', ['client-cert', text])
      const read = readXfccElement(`Hash=${hash};Subject="CN=a";URI=${text}`)
      if (read !== undefined) assert.equal(read.hash, hash)
    }),
  )
})

function quote(text: string): string {
  return `"${text.replaceAll(/["\\]/g, '\\$&')}"`
}
