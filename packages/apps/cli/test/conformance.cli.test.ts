import assert from 'node:assert/strict'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { buildProvenance, signStatement } from '@quantum-ip/attestation'
import { base64, type JsonObject, utf8 } from '@quantum-ip/base'
import {
  formatEnvelope,
  formatVkey,
  generatePrivateKey,
  noteKeyTypes,
  privateJwk,
  publicJwk,
  signEnvelope,
} from '@quantum-ip/crypto'
import { signNote } from '@quantum-ip/log'
import { seededRandom } from '@quantum-ip/testing'
import { answerLine } from '../src/conformance/answer-line.ts'
import { openTestAuthority } from './support/authority.ts'
import { qip } from './support/qip.ts'
import { run } from './support/run.ts'
import { writeTileLog } from './support/tile-log.ts'

const random = seededRandom('conformance')
const mlDsa = generatePrivateKey('ML-DSA-44', random)
const ed25519 = generatePrivateKey('Ed25519', random)
const ask = async (request: Readonly<Record<string, unknown>>) =>
  answerLine(JSON.stringify({ id: 'x', ...request }))

test('answers each line in its place, whatever stands in it', async () => {
  const lines = [
    '{"id":1,"op":"subtree-cover","start":5,"end":13}',
    'no json',
    '',
    '[]',
    '{"id":2,"id":3,"op":"subtree-cover"}',
    `{"id":4,"op":"note-verify","note":"${'x'.repeat(9_000_000)}","vkeys":[]}`,
    '{"id":{"any":["value"]},"op":"nothing"}',
    '{"id":5,"op":"subtree-cover","start":7,"end":8}',
  ]
  const { code, stdout } = await qip(['conformance'], { input: lines.join('\n') })
  assert.equal(code, 0)
  const answers = stdout
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as JsonObject)
  assert.deepEqual(answers, [
    {
      id: 1,
      ok: true,
      subtrees: [
        { start: 4, end: 8 },
        { start: 8, end: 13 },
      ],
    },
    { id: null, ok: false, code: 'QIP_BASE_JSON_MALFORMED' },
    { id: null, ok: false, code: 'QIP_BASE_JSON_MALFORMED' },
    { id: null, ok: false, code: 'QIP_CLI_LINE_MALFORMED' },
    { id: 3, ok: false, code: 'QIP_BASE_JSON_MALFORMED' },
    { id: null, ok: false, code: 'QIP_CLI_LINE_TOO_LONG' },
    { id: { any: ['value'] }, ok: false, code: 'QIP_CLI_OPERATION_UNKNOWN' },
    {
      id: 5,
      ok: true,
      subtrees: [
        { start: 7, end: 8 },
        { start: 8, end: 8 },
      ],
    },
  ])
})

test('makes keys and signatures of ML-DSA that verify, with their context only', async () => {
  for (const alg of ['ML-DSA-44', 'ML-DSA-65', 'ML-DSA-87']) {
    const seed = base64(random.bytes(32))
    const message = base64(utf8('message'))
    const context = base64(utf8('context'))
    const { publicKey } = await ask({ op: 'mldsa-keygen', alg, seed })
    const { signature } = await ask({ op: 'mldsa-sign', alg, seed, message, context })
    const verify = { op: 'mldsa-verify', alg, publicKey, message, signature }
    assert.deepEqual(await ask({ ...verify, context }), { id: 'x', ok: true })
    assert.deepEqual(await ask(verify), { id: 'x', ok: false, code: 'QIP_CRYPTO_SIGNATURE_INVALID' })
  }
})

test('verifies composites, both parts of them', async () => {
  const key = generatePrivateKey('ML-DSA-65-Ed25519', random, { composites: true })
  const message = utf8('message')
  const signature = Buffer.from(await key.sign(message))
  const request = {
    op: 'composite-verify',
    alg: key.publicKey.alg,
    publicKey: base64(key.publicKey.bytes),
    message: base64(message),
  }
  assert.equal((await ask({ ...request, signature: base64(signature) }))['ok'], true)
  for (const at of [0, signature.length - 1]) {
    const changed = Buffer.from(signature)
    changed[at] = (changed[at] as number) ^ 1
    assert.equal((await ask({ ...request, signature: base64(changed) }))['ok'], false)
  }
  assert.equal((await ask({ ...request, alg: 'Ed25519', signature: base64(signature) }))['ok'], false)
})

test('counts distinct keys of an envelope, given in place or as text', async () => {
  const signers = [mlDsa, ed25519]
  const envelope = formatEnvelope(
    await signEnvelope({ payloadType: 'text/plain', payload: utf8('hello'), signers }),
  )
  const jwks = [publicJwk(mlDsa.publicKey), privateJwk(ed25519)]
  const expected = { id: 'x', ok: true, payloadType: 'text/plain', payload: base64(utf8('hello')) }
  assert.deepEqual(await ask({ op: 'dsse-verify', envelope, jwks, threshold: 2 }), expected)
  assert.deepEqual(
    await ask({ op: 'dsse-verify', envelope: JSON.parse(envelope), jwks, threshold: 1 }),
    expected,
  )
  const twice = { op: 'dsse-verify', envelope, jwks: [jwks[0], jwks[0]], threshold: 2 }
  assert.equal((await ask(twice))['ok'], false)
  assert.equal((await ask({ op: 'dsse-verify', envelope, jwks, threshold: 0 }))['ok'], false)
})

const origin = 'ledger.example/log/1'
const mlDsaVkey = formatVkey({ name: origin, type: noteKeyTypes.mlDsa44, key: mlDsa.publicKey })
const ed25519Vkey = formatVkey({ name: origin, type: noteKeyTypes.ed25519, key: ed25519.publicKey })

test('verifies a signed note, and names who signed it', async () => {
  const note = await signNote('hello\n', [{ name: origin, type: noteKeyTypes.ed25519, signer: ed25519 }])
  const vkeys = [mlDsaVkey, ed25519Vkey]
  assert.deepEqual(await ask({ op: 'note-verify', note, vkeys }), {
    id: 'x',
    ok: true,
    text: 'hello\n',
    names: [origin],
  })
  assert.equal((await ask({ op: 'note-verify', note, vkeys: [mlDsaVkey] }))['code'], 'QIP_LOG_NOTE_UNSIGNED')
})

test('verifies a whole log of tiles, in a directory and over HTTP, and finds one changed byte', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'qip-log-'))
  try {
    await writeTileLog(folder, { origin, size: 700, mlDsa, ed25519 })
    const request = { op: 'tile-log-verify', vkeys: [mlDsaVkey, ed25519Vkey] }
    const inFolder = await ask({ ...request, directory: folder })
    assert.deepEqual([inFolder['ok'], inFolder['size']], [true, 700])
    const { url, close } = await serveFolder(folder)
    assert.deepEqual(await ask({ ...request, url }), inFolder)
    assert.deepEqual(await ask({ ...request, directory: url }), inFolder)
    await close()
    assert.equal((await ask({ ...request, url }))['code'], 'QIP_CLI_UNREACHABLE')
    assert.equal((await ask({ ...request, vkeys: [ed25519Vkey], directory: folder }))['ok'], true)

    const file = join(folder, 'tile/0/001')
    const tile = await readFile(file)
    await writeFile(
      file,
      Buffer.concat([tile.subarray(0, 100), Buffer.of(tile[100] === 0 ? 1 : 0), tile.subarray(101)]),
    )
    assert.equal((await ask({ ...request, directory: folder }))['code'], 'QIP_LOG_CORRUPT')
    await rm(file)
    assert.equal((await ask({ ...request, directory: folder }))['code'], 'QIP_CLI_LOG_UNREADABLE')
  } finally {
    await rm(folder, { recursive: true })
  }
})

test('does not take an Ed25519 line alone where the log has an ML-DSA-44 key', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'qip-log-'))
  try {
    await writeTileLog(folder, { origin, size: 3, mlDsa, ed25519 })
    const checkpoint = await readFile(join(folder, 'checkpoint'), 'utf8')
    const [text = '', lines = ''] = checkpoint.split('\n\n')
    const classic = lines.split('\n').filter((line) => line.length > 0 && line.length < 200)
    await writeFile(join(folder, 'checkpoint'), `${text}\n\n${classic.join('\n')}\n`)
    const request = { op: 'tile-log-verify', directory: folder, vkeys: [mlDsaVkey, ed25519Vkey] }
    assert.equal((await ask(request))['code'], 'QIP_LOG_CHECKPOINT_UNSIGNED')
  } finally {
    await rm(folder, { recursive: true })
  }
})

async function serveFolder(folder: string): Promise<{ url: string; close: () => Promise<void> }> {
  const server = createServer((request, response) => {
    readFile(join(folder, request.url ?? '')).then(
      (bytes) => response.end(bytes),
      () => response.writeHead(404).end(),
    )
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    close: () => {
      server.closeAllConnections()
      return new Promise((resolve) => server.close(() => resolve()))
    },
  }
}

const checkout = 'spiffe://acme.example/ns/prod/sa/checkout'
const shop = 'spiffe://acme.example/ns/prod/sa/shop'

test('judges tokens and evidence of a real authority by its documents alone', async () => {
  await using ground = await openTestAuthority()
  const signers = [generatePrivateKey('ML-DSA-65', random), ed25519]
  for (const { publicKey } of signers) {
    await ground.authority.keys.add(publicKey, {
      use: 'qip-build',
      state: 'active',
      name: 'https://ci.acme.example/release',
    })
  }
  const payload = buildProvenance({
    artifacts: [{ name: 'shop', build: random.bytes(32) }],
    builderId: 'https://ci.acme.example/release',
    buildType: 'https://example.org/build',
  })
  const { registered } = await ground.authority.registry.register(
    formatEnvelope(await signStatement(payload, signers)),
  )
  await ground.authority.publisher.publishKeys()
  const issue = (...more: string[]) => {
    return run([
      'token',
      'issue',
      '--as',
      checkout,
      '--audience',
      shop,
      '--json',
      '--authority',
      ground.socket,
      ...more,
    ])
  }
  const { tokens, heads } = (await issue('--count', '3')).json() as { tokens: string[]; heads: string[] }
  const fetched = async (name: string) => (await fetch(`${ground.url}/v1/${name}`)).text()
  const [rootDocument, bundle, state] = [
    await fetched('root'),
    await fetched('bundle'),
    await fetched('state'),
  ]
  const time = Math.floor(Date.now() / 1_000)
  const request = { op: 'token-verify', rootDocument, bundle, state, heads, time, audience: shop }
  const judged = async (changes: Readonly<Record<string, unknown>>) => {
    const { ok, verdict, code } = await ask({ ...request, ...changes })
    return ok === true ? (verdict as { reason: string }).reason : (code as string)
  }
  for (const token of tokens) assert.equal(await judged({ token }), 'ok')
  const [token = ''] = tokens
  const swapped = `${token.slice(0, 40)}${token[40] === 'A' ? 'B' : 'A'}${token.slice(41)}`
  assert.equal(await judged({ token: token.slice(0, 60) }), 'token_truncated')
  assert.equal(await judged({ token: 'rubbish' }), 'token_malformed')
  assert.ok(['signature_invalid', 'token_malformed'].includes(await judged({ token: swapped })))
  assert.equal(await judged({}), 'token_absent')
  assert.equal(await judged({ token, audience: checkout }), 'audience_mismatch')
  assert.equal(await judged({ token, time: time + 400 }), 'token_expired')
  assert.equal(await judged({ token, time: Date.now() }), 'ok')
  assert.equal(await judged({ token, time: time - 3_600 }), 'token_not_yet_valid')
  assert.equal(await judged({ token, time: time + 320 }), 'trust_stale')
  assert.equal(await judged({ token, time: time + 8 * 86_400 }), 'token_expired')
  assert.equal(await judged({ token, rootDocument: bundle }), 'QIP_TRUST_DOCUMENT_MALFORMED')
  const once = (await issue('--one-time', '--form', 'standalone')).json() as { tokens: string[] }
  assert.equal(await judged({ token: once.tokens[0], heads: [] }), 'ok')

  const byBundle = await ask({
    op: 'evidence-verify',
    evidence: registered.evidence,
    rootDocument,
    bundle: await fetched('bundle'),
    time,
  })
  assert.deepEqual(
    [byBundle['ok'], byBundle['index'], byBundle['builder']],
    [true, 1, 'https://ci.acme.example/release'],
  )
  const logKey = ground.authority.keys.list().find(({ record }) => record.use === 'qip-log')
  assert.ok(logKey)
  const vkey = formatVkey({ name: registered.origin, type: noteKeyTypes.mlDsa44, key: logKey.record.key })
  const jwks = signers.map(({ publicKey }) => publicJwk(publicKey))
  const byKeys = {
    op: 'evidence-verify',
    evidence: JSON.parse(registered.evidence) as JsonObject,
    vkeys: [vkey],
    jwks,
  }
  assert.deepEqual(await ask(byKeys), byBundle)
  assert.equal((await ask({ ...byKeys, jwks: [jwks[1]] }))['code'], 'QIP_ATTESTATION_SIGNATURES_INSUFFICIENT')
  assert.equal((await ask({ ...byKeys, vkeys: [mlDsaVkey] }))['code'], 'QIP_ATTESTATION_CHECKPOINT_UNTRUSTED')
  assert.equal(
    (await ask({ ...byKeys, build: base64(new Uint8Array(32)) }))['code'],
    'QIP_ATTESTATION_ENTRY_MISMATCH',
  )
})
