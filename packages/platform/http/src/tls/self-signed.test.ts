import assert from 'node:assert/strict'
import { createPrivateKey, X509Certificate } from 'node:crypto'
import { createServer } from 'node:https'
import { describe, it } from 'node:test'
import { get } from 'node:https'
import { createSelfSignedCertificate } from './self-signed.ts'

const clock = { now: () => Date.UTC(2026, 10, 22, 9, 10, 11, 500) }
const names = ['localhost', '127.0.0.1', '::1', '2001:db8::ffff:1.2.3.4', 'spiffe://acme.example/authority']

for (const algorithm of ['ECDSA-P-256', 'Ed25519'] as const) {
  describe(`a self-signed ${algorithm} certificate`, () => {
    const made = createSelfSignedCertificate({ names, algorithm, clock })
    const parsed = new X509Certificate(made.certificate)

    it('is for its names', () => {
      assert.equal(parsed.subject, 'CN=localhost')
      assert.equal(parsed.issuer, parsed.subject)
      assert.deepEqual(parsed.subjectAltName?.split(', '), [
        'DNS:localhost',
        'IP Address:127.0.0.1',
        'IP Address:0:0:0:0:0:0:0:1',
        'IP Address:2001:DB8:0:0:0:FFFF:102:304',
        'URI:spiffe://acme.example/authority',
      ])
      assert.equal(parsed.checkHost('localhost'), 'localhost')
      assert.equal(parsed.checkIP('127.0.0.1'), '127.0.0.1')
      assert.equal(parsed.checkHost('example.com'), undefined)
    })

    it('is signed by its own key, which is no authority', () => {
      assert.ok(parsed.verify(parsed.publicKey))
      assert.ok(parsed.checkPrivateKey(createPrivateKey(made.key)))
      assert.equal(parsed.ca, false)
      assert.deepEqual(parsed.keyUsage, ['1.3.6.1.5.5.7.3.1'])
    })

    it('is valid from an hour ago for 90 days', () => {
      assert.equal(parsed.validFromDate.toISOString(), '2026-11-22T08:10:11.000Z')
      assert.equal(parsed.validToDate.toISOString(), '2027-02-20T09:10:11.000Z')
    })

    it('is trusted by a client that was given it, and by no other', async () => {
      const now = createSelfSignedCertificate({ names, algorithm })
      const server = createServer({ cert: now.certificate, key: now.key }, (_request, response) =>
        response.end('hello'),
      )
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
      const { port } = server.address() as { port: number }
      const status = async (ca?: string): Promise<unknown> =>
        await new Promise((resolve) => {
          get({ port, host: '127.0.0.1', agent: false, ...(ca === undefined ? {} : { ca }) }, (response) => {
            response.resume()
            resolve(response.statusCode)
          }).on('error', (error) => resolve((error as Error & { code: string }).code))
        })
      try {
        assert.equal(await status(now.certificate), 200)
        assert.equal(await status(), 'DEPTH_ZERO_SELF_SIGNED_CERT')
      } finally {
        server.close()
      }
    })
  })
}

describe('createSelfSignedCertificate', () => {
  it('writes years from 2050 on in the long form', () => {
    const { certificate } = createSelfSignedCertificate({
      names: ['a'],
      clock,
      validForMs: 30 * 365 * 86_400_000,
    })
    assert.equal(new X509Certificate(certificate).validToDate.getUTCFullYear(), 2056)
  })

  it('takes other serial numbers and keys each time, and serials that are positive', () => {
    const serials = new Set(
      Array.from(
        { length: 20 },
        () => new X509Certificate(createSelfSignedCertificate({ names: ['a'] }).certificate).serialNumber,
      ),
    )
    assert.equal(serials.size, 20)
    const random = { bytes: (size: number) => new Uint8Array(size).fill(0xff) }
    const { serialNumber } = new X509Certificate(
      createSelfSignedCertificate({ names: ['a'], random }).certificate,
    )
    assert.equal(serialNumber, `7F${'FF'.repeat(15)}`)
  })

  it('refuses to be for nothing', () => {
    assert.throws(() => createSelfSignedCertificate({ names: [] }), TypeError)
  })
})
