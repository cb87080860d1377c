import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { folder } from '../../test/support.ts'
import { HttpError } from '../http-errors.ts'
import { createSelfSignedCertificate } from './self-signed.ts'
import { readTlsIdentity } from './tls-files.ts'

describe('readTlsIdentity', () => {
  it('reads a certificate and its key', async () => {
    await using place = await folder()
    const made = createSelfSignedCertificate({ names: ['localhost'] })
    const [certificateFile, keyFile] = [join(place.path, 'c.pem'), join(place.path, 'k.pem')]
    await writeFile(certificateFile, made.certificate)
    await writeFile(keyFile, made.key)
    assert.deepEqual(await readTlsIdentity({ certificateFile, keyFile }), made)
  })

  const good = createSelfSignedCertificate({ names: ['a'], validForMs: 1_000_000 })
  const other = createSelfSignedCertificate({ names: ['a'] })
  const refused: [string, string | undefined, string | undefined, number, string, RegExp][] = [
    [
      'a missing certificate',
      undefined,
      good.key,
      0,
      'QIP_HTTP_FILE_UNREADABLE',
      /TLS certificate .* does not exist/,
    ],
    [
      'a missing key',
      good.certificate,
      undefined,
      0,
      'QIP_HTTP_FILE_UNREADABLE',
      /TLS key .* does not exist/,
    ],
    ['what is no certificate', 'x', good.key, 0, 'QIP_HTTP_CERTIFICATE_INVALID', /not a PEM certificate/],
    [
      'what is no key',
      good.certificate,
      'marked-secret',
      0,
      'QIP_HTTP_CERTIFICATE_INVALID',
      /no unencrypted PEM private key/,
    ],
    ['the key of another', good.certificate, other.key, 0, 'QIP_HTTP_CERTIFICATE_INVALID', /key of another/],
    [
      'an expired certificate',
      good.certificate,
      good.key,
      2_000_000,
      'QIP_HTTP_CERTIFICATE_INVALID',
      /expired at/,
    ],
    [
      'one of the future',
      good.certificate,
      good.key,
      -4_000_000,
      'QIP_HTTP_CERTIFICATE_INVALID',
      /valid from/,
    ],
  ]
  for (const [title, certificate, key, laterMs, code, message] of refused) {
    it(`refuses ${title}`, async () => {
      await using place = await folder()
      const [certificateFile, keyFile] = [join(place.path, 'c.pem'), join(place.path, 'k.pem')]
      if (certificate !== undefined) await writeFile(certificateFile, certificate)
      if (key !== undefined) await writeFile(keyFile, key)
      const clock = { now: () => Date.now() + laterMs }
      await assert.rejects(readTlsIdentity({ certificateFile, keyFile, clock }), (error) => {
        assert.ok(error instanceof HttpError)
        assert.equal(error.code, code)
        assert.match(error.message, message)
        assert.ok(error.next !== undefined)
        assert.ok(!`${error.message} ${String(error.cause)}`.includes('marked-secret'))
        return true
      })
    })
  }
})
