import assert from 'node:assert/strict'
import { test } from 'node:test'
import { systemClock, systemRandom } from '@quantum-ip/base'
import { snapshotFacts } from '@quantum-ip/policy'
import { inputOf } from '../test/samples.ts'
import { reasons } from './closed-sets.ts'
import {
  DecisionLog,
  DecisionRedaction,
  type DecisionRecord,
  DecisionSeals,
  formatRecord,
  type LogRecord,
  openSealedPart,
  type RedactableField,
  redactableFields,
  type SealKeyRecord,
} from './index.ts'

const marks: Readonly<Partial<Record<RedactableField, string>>> = {
  subject: 'spiffe://acme.example/secret-subject',
  claimedSubject: 'spiffe://acme.example/secret-claim',
  chain: 'spiffe://acme.example/secret-hop',
  builder: 'https://secret-builder.example',
  source: 'git+https://secret-source.example',
  revision: 'secret-revision',
  traceId: 'f'.repeat(32),
  build: 'ee'.repeat(32),
}
const requestFields: readonly RedactableField[] = ['host', 'path', 'mtls', 'jwt']
// What `factsFor` puts into host, path, certificate and JWT.
const requestMark = 'secret-request'

function marked(reason: (typeof reasons)[number], authenticated: boolean) {
  const builder = { digest: new Uint8Array(32).fill(0xee), evidence: 'measured' } as const
  const input = inputOf(reason, {
    mark: requestMark,
    verdict: {
      authenticated,
      identity: authenticated ? marks.subject : undefined,
      claimedSubject: authenticated ? undefined : marks.claimedSubject,
      ...(authenticated && {
        chain: [{ sid: marks.chain as string }] as never,
        build: { ...builder, builder: marks.builder, source: marks.source, revision: marks.revision },
      }),
    },
  })
  return { ...input, traceId: marks.traceId }
}

function logWith(fields: readonly RedactableField[], method: 'drop' | 'hash', more: object = {}) {
  const written: LogRecord[] = []
  const redaction = new DecisionRedaction({
    fields: new Map(fields.map((field) => [field, method])),
    hashKey: new Uint8Array(32).fill(9),
  })
  const log = new DecisionLog({
    point: 'edge-1',
    clock: systemClock,
    random: systemRandom,
    sink: { write: (record) => void written.push(record) },
    sampleRatio: 1,
    redact: redaction.record.bind(redaction),
    redactFacts: redaction.facts.bind(redaction),
    ...more,
  })
  return { log, written }
}

test('what is left out is in no record and not in memory either, for every reason and field', () => {
  for (const field of redactableFields) {
    const mark = marks[field] ?? requestMark
    for (const method of ['drop', 'hash'] as const) {
      const fields = requestFields.includes(field) ? requestFields : [field]
      const { log, written } = logWith(fields, method)
      for (const reason of reasons)
        for (const authenticated of [true, false]) log.record(marked(reason, authenticated))
      assert.equal(written.length, reasons.length * 2)
      const memory = log.newest(100).map(({ record, facts }) => ({ record, facts: snapshotFacts(facts) }))
      const records = written as DecisionRecord[]
      if (field === 'token' || field === 'attestation')
        assert.ok(records.every((record) => record[field] === null))
      else if (field === 'method' || field === 'route')
        assert.ok(records.every(({ facts }) => !['GET', 'shop'].includes(String(facts[`request.${field}`]))))
      else assert.ok(!JSON.stringify([written, memory]).includes(mark), `${field} by ${method}`)
    }
  }
})

test('everything that can be left out would be there otherwise', () => {
  const { log, written } = logWith([], 'drop')
  log.record(marked('ok', true))
  log.record(marked('token_expired', false))
  const memory = JSON.stringify(log.newest(10).map(({ facts }) => snapshotFacts(facts)))
  for (const mark of Object.values(marks)) assert.ok(JSON.stringify(written).includes(mark), mark)
  assert.ok(memory.includes(requestMark))
})

function hashed(key: number) {
  const fields = new Map(
    [...(['subject', 'build', 'traceId'] as const)].map((field) => [field, 'hash' as const]),
  )
  const redaction = new DecisionRedaction({ fields, hashKey: new Uint8Array(32).fill(key) })
  const { log, written } = logWith([], 'drop', { redact: redaction.record.bind(redaction) })
  log.record(marked('ok', true))
  const [{ subject, build, traceId }] = written as [DecisionRecord]
  return { subject, digest: build?.digest ?? '', traceId }
}

test('a hash is the same for the same value, another for another key, and has the form that is looked up by', () => {
  assert.deepEqual(hashed(1), hashed(1))
  assert.notDeepEqual(hashed(1), hashed(2))
  assert.match(hashed(1).digest, /^[0-9a-f]{64}$/)
  assert.match(hashed(1).traceId ?? '', /^[0-9a-f]{32}$/)
  assert.throws(() => new DecisionRedaction({ fields: new Map([['subject', 'hash']]) }), TypeError)
})

test('what is sealed is in no other form there, and opens with the key of its record', async () => {
  const keys: LogRecord[] = []
  const sealedKeys: Uint8Array[] = []
  const fields = ['host', 'path', 'jwt', 'mtls', 'subject', 'chain'] as const
  using seals = await DecisionSeals.open({
    point: 'edge-1',
    clock: systemClock,
    random: systemRandom,
    fields,
    kid: 'custodian',
    sealKey: async ({ plaintext }) => (sealedKeys.push(Uint8Array.from(plaintext)), new Uint8Array(40)),
    sink: { write: (record) => void keys.push(record) },
  })
  const { log, written } = logWith(fields, 'drop', { seal: seals.seal.bind(seals) })
  for (let n = 0; n < 3; n++) log.record(marked('ok', true))
  const records = written as DecisionRecord[]
  const text = records.map((record) => formatRecord(record)).join('')
  for (const mark of [requestMark, marks.subject, marks.chain]) assert.ok(!text.includes(mark as string))
  const [key] = keys as SealKeyRecord[]
  assert.ok(key?.kind === 'seal_key' && records.every(({ sealed }) => sealed?.key === key.id))
  assert.equal(new Set(records.map(({ sealed }) => sealed?.box.slice(0, 16))).size, 3)
  const opened = openSealedPart(records[1]!, records[1]!.sealed!, sealedKeys[0]!)
  assert.deepEqual(opened.fields, { subject: marks.subject })
  assert.equal(opened.facts['request.path'], `/private${requestMark}`)
  assert.deepEqual(opened.facts['identity.chain'], [marks.chain])
  // Of another record, or under another key.
  assert.throws(() => openSealedPart(records[0]!, records[1]!.sealed!, sealedKeys[0]!))
  assert.throws(() => openSealedPart(records[1]!, records[1]!.sealed!, new Uint8Array(32)))
})

test('a verified request is recorded more often while the share is raised, and says which share it stands for', () => {
  let ratio = 0
  const { log, written } = logWith([], 'drop', { sampleRatio: () => ratio, perReasonMax: 1e6 })
  for (let n = 0; n < 100; n++) log.record(marked('ok', true))
  assert.equal(written.length, 0)
  ratio = 0.5
  for (let n = 0; n < 400; n++) log.record(marked('ok', true))
  // Half of 400, six standard deviations to each side.
  assert.ok(written.length > 140 && written.length < 260, String(written.length))
  assert.ok((written as DecisionRecord[]).every(({ share }) => share === 0.5))
})
