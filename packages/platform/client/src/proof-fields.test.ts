import assert from 'node:assert/strict'
import { test } from 'node:test'
import { hex } from '@quantum-ip/base'
import { generateProofJwk, parseProofSigner, proofSigner, generatePrivateKey } from '@quantum-ip/crypto'
import { proofTokenHash, readProofToken, verifyProofToken } from '@quantum-ip/token'
import { proofFields } from './proof-fields.ts'

const url = new URL('https://shop.acme.example/cart?x=1')

test('makes the fields of a request, with a proof for its URL and its token', async () => {
  for (const signer of [
    parseProofSigner(generateProofJwk('ES256')),
    proofSigner(generatePrivateKey('ML-DSA-44')),
  ]) {
    const fields = await proofFields({ signer, token: 'qip1.abc', url })
    assert.deepEqual(Object.keys(fields), ['Quantum-IP', 'Workload-Proof-Token'])
    const proof = readProofToken(fields['Workload-Proof-Token'] ?? '')
    assert.ok(proof)
    await verifyProofToken(proof)
    assert.equal(proof.key.kid, signer.key.kid)
    assert.equal(proof.target.path, '/cart')
    assert.equal(hex(proof.tokenHash), hex(proofTokenHash('qip1.abc')))
  }
})

test('makes another proof each time', async () => {
  const signer = parseProofSigner(generateProofJwk('Ed25519'))
  const [one, two] = await Promise.all([0, 0].map(() => proofFields({ signer, token: 'qip1.abc', url })))
  assert.notEqual(one?.['Workload-Proof-Token'], two?.['Workload-Proof-Token'])
})
