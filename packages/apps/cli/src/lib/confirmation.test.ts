import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { base64url } from '@quantum-ip/base'
import { generateProofJwk, parseProofSigner, sha256 } from '@quantum-ip/crypto'
import { createSelfSignedCertificate } from '@quantum-ip/http'
import { X509Certificate } from 'node:crypto'
import { confirmationOf } from './confirmation.ts'

test('takes the thumbprint of a key or a certificate out of its file', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'qip-confirmation-'))
  t.after(() => rm(folder, { recursive: true }))
  const jwk = generateProofJwk('ES256')
  const { certificate } = createSelfSignedCertificate({ names: ['a.example'] })
  const [bindKey, bindCertificate] = [join(folder, 'key.jwk'), join(folder, 'cert.pem')]
  await writeFile(bindKey, JSON.stringify(jwk))
  await writeFile(bindCertificate, certificate)
  const key = await confirmationOf({ bindKey })
  assert.equal(base64url(key?.jkt ?? new Uint8Array()), parseProofSigner(jwk).key.kid)
  const bound = await confirmationOf({ bindCertificate })
  assert.deepEqual(bound, { x5tS256: sha256(new X509Certificate(certificate).raw) })
  assert.equal(await confirmationOf({}), undefined)
  for (const wrong of [
    { bindKey, bindCertificate },
    { bindKey: bindCertificate },
    { bindCertificate: bindKey },
    { bindKey: join(folder, 'none') },
  ]) {
    await assert.rejects(confirmationOf(wrong), { code: 'QIP_CLI_USAGE' })
  }
})
