import { describe, test } from 'node:test'
import assert from 'node:assert/strict'
import { signCheckpoint } from '@quantum-ip/log'
import {
  build,
  builder,
  envelope,
  evidence,
  inclusion,
  key,
  logSigner,
  logSignerClassic,
  origin,
  otherBuild,
  rules,
  service,
  timeMs,
  vkey,
  witnessSigner,
} from '../test/shop.ts'
import { attestationEntry } from './attestation-entry.ts'
import { buildEvidence, type Evidence, parseEvidence } from './evidence.ts'
import { type EvidenceCheck, verifyEvidence } from './verify-evidence.ts'

interface EvidenceJson {
  dsse: Record<string, unknown>
  receipt: Record<string, unknown>
}

async function json(): Promise<EvidenceJson> {
  return JSON.parse(buildEvidence(await evidence(await envelope()))) as EvidenceJson
}

describe('an evidence file', () => {
  test('reads back as it was built', async () => {
    const of = await evidence(await envelope())
    const { envelope: read, receipt } = parseEvidence(buildEvidence(of))
    assert.deepEqual(receipt, of.receipt)
    assert.equal(buildEvidence({ envelope: read, receipt }), buildEvidence(of))
  })

  test('has an envelope and a receipt, their members as documented', async () => {
    const { dsse, receipt } = await json()
    assert.deepEqual(Object.keys(dsse), ['payload', 'payloadType', 'signatures'])
    assert.deepEqual(Object.keys(receipt), ['origin', 'index', 'entry', 'proof', 'checkpoint'])
  })

  const malformed: readonly (readonly [title: string, change: (file: EvidenceJson) => unknown])[] = [
    ['no envelope', (file) => delete (file as Partial<EvidenceJson>).dsse],
    ['an envelope that is a text', (file) => Object.assign(file, { dsse: 'x' })],
    ['an envelope without signatures', (file) => (file.dsse['signatures'] = [])],
    ['no receipt', (file) => delete (file as Partial<EvidenceJson>).receipt],
    ['an index that is a text', (file) => (file.receipt['index'] = '1')],
    ['a negative index', (file) => (file.receipt['index'] = -1)],
    ['no origin', (file) => delete file.receipt['origin']],
    ['a short hash in the proof', (file) => (file.receipt['proof'] = ['AAAA'])],
    ['a proof that is no base64', (file) => (file.receipt['proof'] = ['*'])],
    ['a proof of 64 hashes', (file) => (file.receipt['proof'] = Array.from({ length: 64 }, () => 'AAAA'))],
    ['an entry that is no base64', (file) => (file.receipt['entry'] = 'A')],
    ['no entry', (file) => delete file.receipt['entry']],
    ['a checkpoint that is no note', (file) => (file.receipt['checkpoint'] = 'x')],
    ['a checkpoint that is an object', (file) => (file.receipt['checkpoint'] = {})],
  ]
  for (const [title, change] of malformed) {
    test(`is refused with ${title}`, async () => {
      const file = await json()
      change(file)
      assert.throws(() => parseEvidence(JSON.stringify(file)), { code: 'QIP_ATTESTATION_EVIDENCE_MALFORMED' })
    })
  }

  test('is refused with an entry of another size, a name twice, or too much of it', async () => {
    const file = await json()
    const text = JSON.stringify(file)
    file.receipt['entry'] = 'AAAA'
    assert.throws(() => parseEvidence(JSON.stringify(file)), { code: 'QIP_ATTESTATION_ENTRY_MALFORMED' })
    const code = 'QIP_ATTESTATION_EVIDENCE_MALFORMED'
    assert.throws(() => parseEvidence(text.replace('"index":1', '"index":1,"index":1')), { code })
    assert.throws(() => parseEvidence(' '.repeat(2_097_153)), { code })
  })
})

const logKeys = [vkey(logSigner)]
async function verify(of: Evidence, change: Partial<EvidenceCheck> = {}) {
  return verifyEvidence({ evidence: buildEvidence(of), builders: [builder()], logKeys, ...change })
}

describe('evidence', () => {
  test('holds offline, and says of what, by whom and as of when', async () => {
    const of = await evidence(await envelope())
    const admission = { rules, service }
    const found = await verify(of, { build, origin, admission })
    assert.equal(found.facts.subject, 'shop-1.2.3.tgz')
    assert.deepEqual([found.origin, found.index, found.entry.timeMs], [origin, 1, timeMs])
    assert.deepEqual(found.asOf, {
      treeSize: 3,
      root: inclusion(of.receipt.entry).root,
      checkpointTimeS: 1_800_000_001,
      vouchers: [origin],
    })
    assert.equal(found.admission?.admitted, true)
  })

  test('holds without a build to compare: then it is about the one that was logged', async () => {
    const { facts } = await verify(await evidence(await envelope()))
    assert.deepEqual(facts.build, build)
  })

  test('holds with witnesses, which can say later than the log that they saw it', async () => {
    const of = await evidence(await envelope(), { signers: [logSigner, witnessSigner] })
    const { asOf } = await verify(of, { witnessKeys: [vkey(witnessSigner)], witnessesMin: 1 })
    assert.deepEqual([asOf.checkpointTimeS, asOf.vouchers], [1_800_000_009, [origin, 'witness.example']])
  })

  test('says nothing of time where the log did not', async () => {
    const of = await evidence(await envelope(), { signers: [{ ...logSigner, timestampS: 0 }] })
    assert.equal((await verify(of)).asOf.checkpointTimeS, undefined)
  })

  const untrusted: readonly (readonly [
    title: string,
    signers: Parameters<typeof evidence>[1],
    trust: Partial<EvidenceCheck>,
  ])[] = [
    ['no key of the log', {}, { logKeys: [] }],
    ['another key of the log', {}, { logKeys: [vkey({ ...logSigner, signer: key.witness })] }],
    ['a key of another log', {}, { logKeys: [vkey({ ...logSigner, name: 'acme.example/attestations/2' })] }],
    ['another log', {}, { origin: 'acme.example/attestations/2' }],
    ['a witness too few', {}, { witnessKeys: [vkey(witnessSigner)], witnessesMin: 1 }],
    [
      'Ed25519 alone, though the log has that key',
      { signers: [logSignerClassic] },
      { logKeys: [vkey(logSigner), vkey(logSignerClassic)] },
    ],
    [
      'an Ed25519 log key only',
      { signers: [logSigner, logSignerClassic] },
      { logKeys: [vkey(logSignerClassic)] },
    ],
  ]
  for (const [title, options, trust] of untrusted) {
    test(`is refused with ${title}`, async () => {
      const of = await evidence(await envelope(), options)
      await assert.rejects(verify(of, trust), { code: 'QIP_ATTESTATION_CHECKPOINT_UNTRUSTED' })
    })
  }

  test('holds with Ed25519 beside ML-DSA-44', async () => {
    const of = await evidence(await envelope(), { signers: [logSigner, logSignerClassic] })
    await verify(of, { logKeys: [vkey(logSigner), vkey(logSignerClassic)] })
  })

  test('is refused if receipt and checkpoint name different logs', async () => {
    const of = await evidence(await envelope())
    const receipt = { ...of.receipt, origin: 'acme.example/attestations/2' }
    await assert.rejects(verify({ ...of, receipt }, { origin }), {
      code: 'QIP_ATTESTATION_CHECKPOINT_UNTRUSTED',
    })
  })

  test('is refused for another build, with an altered entry, or with the checkpoint of another tree', async () => {
    const of = await evidence(await envelope())
    await assert.rejects(verify(of, { build: otherBuild }), { code: 'QIP_ATTESTATION_ENTRY_MISMATCH' })
    const entry = attestationEntry(of.envelope, build, timeMs + 1)
    const code = 'QIP_ATTESTATION_NOT_LOGGED'
    await assert.rejects(verify({ ...of, receipt: { ...of.receipt, entry } }), { code })
    const checkpoint = await signCheckpoint({ origin, size: 3, root: otherBuild }, [logSigner])
    await assert.rejects(verify({ ...of, receipt: { ...of.receipt, checkpoint } }), { code })
  })

  test('is refused if half of the hybrid is missing', async () => {
    const of = await evidence(await envelope({}, [key.build]))
    await assert.rejects(verify(of), { code: 'QIP_ATTESTATION_SIGNATURES_INSUFFICIENT' })
  })
})
