import assert from 'node:assert/strict'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { type JsonObject, systemClock, systemRandom } from '@quantum-ip/base'
import { generateKemKey, privateKemJwk, sealField } from '@quantum-ip/crypto'
import {
  DecisionLog,
  DecisionRedaction,
  DecisionSeals,
  LocalLog,
  type LogRecord,
} from '@quantum-ip/telemetry'
import { inputOf } from '../../../platform/telemetry/test/samples.ts'
import { openTestAuthority, type TestAuthority } from './support/authority.ts'
import { run } from './support/run.ts'

let ground: TestAuthority
const at = (name: string) => join(ground.folder, name)
const asAdmin = (...args: string[]) => run([...args, '--authority', ground.socket])
const custodian = generateKemKey('X-Wing')
const ids: string[] = []
const secret = 'secret-person'

before(async () => {
  ground = await openTestAuthority()
  await writeFile(at('custodian.jwk'), JSON.stringify(privateKemJwk(custodian)))
  await writeLog()
})

after(async () => {
  await ground[Symbol.asyncDispose]()
})

/** A local log with sealed fields, of which the authority has everything too. */
async function writeLog(): Promise<void> {
  const clock = systemClock
  const random = systemRandom
  const point = 'edge-1'
  const log = await LocalLog.open({
    folder: at('decisions'),
    point,
    clock,
    random,
    sizeMax: 1e8,
    segmentBytesMax: 1e6,
    segmentMs: 3_600_000,
    limits: { sizeMax: 1e7, keepMs: 3_600_000 },
  })
  const fields = ['host', 'path', 'jwt', 'mtls'] as const
  using seals = await DecisionSeals.open({
    point,
    clock,
    random,
    fields,
    kid: custodian.publicKey.kid,
    sealKey: ({ plaintext, aad }) => sealField({ key: custodian.publicKey, plaintext, aad }),
    sink: log,
  })
  const redaction = new DecisionRedaction({ fields: new Map(fields.map((field) => [field, 'drop'])) })
  const base = { point, clock, random, sink: log, sampleRatio: 1, perReasonMax: 3 }
  const redact = redaction.record.bind(redaction)
  const decisions = new DecisionLog({ ...base, redact, seal: seals.seal.bind(seals) })
  for (let n = 0; n < 5; n++) ids.push(decisions.record(inputOf('token_expired', { mark: secret })) ?? '')
  ids.push(decisions.record(inputOf('ok', { mark: secret })) ?? '')
  decisions.flush()
  await log.flush()
  const batch = await log.take(1_000)
  const records: LogRecord[] = [...(batch?.records ?? [])]
  await ground.authority.decisions.add(
    records
      .filter((record) => record.kind === 'decision')
      .map((record) => ({
        id: record.id,
        timeMs: record.timeMs,
        reason: record.reason,
        record: JSON.parse(JSON.stringify(record)) as JsonObject,
      })),
    records.filter((record) => record.kind === 'suppressed'),
    records.filter((record) => record.kind === 'seal_key'),
  )
  await log.close()
}

const lines = (text: string): JsonObject[] =>
  text
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as JsonObject)
const kindsOf = (text: string) => lines(text).map(({ kind }) => kind as string)
const decisionsOf = (text: string) => lines(text).filter(({ kind }) => kind === 'decision')
const byId = (a: JsonObject, b: JsonObject) => ((a['id'] as string) < (b['id'] as string) ? -1 : 1)

test('exports the same from the authority and, with the authority away, from the disk of the enforcement point', async () => {
  const stored = await asAdmin('decisions', 'export')
  assert.equal(stored.code, 0, stored.stderr)
  const local = await run(['decisions', 'export', '--local', at('decisions')])
  assert.equal(local.code, 0, local.stderr)
  assert.equal(decisionsOf(stored.stdout).length, 4)
  assert.deepEqual(decisionsOf(stored.stdout).toSorted(byId), decisionsOf(local.stdout).toSorted(byId))
  for (const { stdout } of [stored, local]) {
    assert.deepEqual(
      kindsOf(stdout)
        .filter((kind) => kind !== 'decision')
        .toSorted(),
      ['seal_key', 'suppressed'],
    )
    assert.equal(lines(stdout).find(({ kind }) => kind === 'suppressed')?.['count'], 2)
    assert.ok(!stdout.includes(secret))
  }
})

test('exports what a filter asks for, into a file that its owner alone may read', async () => {
  const file = at('expired.jsonl')
  for (const source of [[], ['--local', at('decisions')]]) {
    const args = [
      'decisions',
      'export',
      '--reason',
      'token_expired',
      '--since',
      '1h',
      '-o',
      file,
      '--json',
      ...source,
    ]
    const exported = await asAdmin(...args)
    assert.equal(exported.code, 0, exported.stderr)
    assert.deepEqual(exported.json(), { file, format: 'jsonl', records: 3, suppressed: 2, torn: 0 })
    const written = lines(await readFile(file, 'utf8')).filter(({ kind }) => kind === 'decision')
    assert.deepEqual(new Set(written.map(({ reason }) => reason)), new Set(['token_expired']))
  }
  const none = await asAdmin(
    'decisions',
    'export',
    '--local',
    at('decisions'),
    '--service',
    'spiffe://acme.example/x',
  )
  assert.deepEqual(kindsOf(none.stdout), ['seal_key'])
  const away = await run(['decisions', 'export', '--local', at('nowhere')])
  assert.deepEqual([away.code, /cannot be read/.test(away.stderr)], [2, true])
})

test('exports log records of OTLP, whole requests of JSON', async () => {
  const { code, stdout } = await asAdmin('decisions', 'export', '--format', 'otlp')
  assert.equal(code, 0)
  const [request] = lines(stdout) as unknown as [OtlpRequest]
  const [resource] = request.resourceLogs
  const records = resource?.scopeLogs[0]?.logRecords ?? []
  assert.equal(records.length, 5)
  const rejected = records.find(({ body }) => body.stringValue.startsWith('reject token_expired'))
  assert.match(rejected?.timeUnixNano ?? '', /^\d{19}$/)
  assert.deepEqual([rejected?.severityNumber, rejected?.traceId], [13, 'ab'.repeat(16)])
  const attribute = (key: string) => rejected?.attributes.find((each) => each.key === key)?.value
  assert.deepEqual(attribute('quantum_ip.reason'), { stringValue: 'token_expired' })
  assert.deepEqual(attribute('quantum_ip.token.index'), { intValue: '99' })
  assert.deepEqual(attribute('quantum_ip.authenticated'), { boolValue: false })
  assert.deepEqual(attribute('quantum_ip.fact.request.method'), { stringValue: 'GET' })
  assert.ok(!stdout.includes(secret))
})

interface OtlpRequest {
  readonly resourceLogs: readonly {
    readonly scopeLogs: readonly { readonly logRecords: readonly OtlpRecord[] }[]
  }[]
}

interface OtlpRecord {
  readonly timeUnixNano: string
  readonly severityNumber: number
  readonly traceId?: string
  readonly body: { readonly stringValue: string }
  readonly attributes: readonly { readonly key: string; readonly value: JsonObject }[]
}

test("opens sealed fields with the custodian's key, offline, and with no other", async () => {
  const file = at('all.jsonl')
  await asAdmin('decisions', 'export', '-o', file)
  const opened = await run(['decisions', 'open', file, '--key-file', at('custodian.jwk')])
  assert.equal(opened.code, 0, opened.stderr)
  const all = lines(opened.stdout)
  assert.equal(all.length, 4)
  for (const record of all) {
    assert.equal((record['facts'] as JsonObject)['request.path'], `/private${secret}`)
    assert.ok(!('sealed' in record))
  }
  const one = await run(['decisions', 'open', file, '--key-file', at('custodian.jwk'), '--id', ids[0]!])
  assert.deepEqual(
    lines(one.stdout).map(({ id }) => id),
    [ids[0]],
  )
  await writeFile(at('other.jwk'), JSON.stringify(privateKemJwk(generateKemKey('X-Wing'))))
  const other = await run(['decisions', 'open', file, '--key-file', at('other.jwk'), '--json'])
  assert.deepEqual([other.code, other.json()], [1, { opened: 0, plain: 0, unopened: 4 }])
})

test('an operator marks a rejection as wrong, and it shows where the decision is shown', async () => {
  const id = ids[0]!
  const mark = (...args: string[]) =>
    asAdmin('decisions', 'mark', id, '--note', 'clock of the caller', ...args)
  const unsaid = await mark('--json')
  assert.deepEqual([unsaid.code, unsaid.json()['code']], [2, 'QIP_CLI_USAGE'])
  assert.equal((await mark('--confirmed')).code, 0)
  const marked = await mark('--false-positive', '--json')
  assert.deepEqual([marked.code, marked.json()['verdict']], [0, 'false_positive'])
  const explained = await asAdmin('explain', id)
  assert.match(explained.stdout, /adjudicated +confirmed, by local/)
  assert.match(
    explained.stdout,
    /adjudicated +false positive, by local at [^:]+:\d\d:\d\dZ: clock of the caller/,
  )
  assert.match((await asAdmin('decisions')).stdout, new RegExp(`${id}.*false positive`))
  const unknown = await asAdmin('decisions', 'mark', 'edge-1/none', '--confirmed', '--note', '', '--json')
  assert.deepEqual([unknown.code, unknown.json()['code']], [1, 'QIP_CLIENT_AUTHORITY_REFUSED'])
})

test('the false-positive ratio is of everything that was flagged, also of what was not recorded', async () => {
  const { authority } = ground
  const operators = authority.acts
  assert.ok((await operators.list(10)).some(({ act }) => act === 'adjudicate'))
  const now = Date.now()
  const span = { sinceMs: now - 3_600_000, untilMs: now + 1_000 }
  assert.deepEqual(await authority.adjudications.falsePositives(span), { falsePositives: 1, confirmed: 0 })
})
