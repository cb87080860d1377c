import assert from 'node:assert/strict'
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { type JsonObject, parseUtf8, utf8 } from '@quantum-ip/base'
import type { AuthorityRequest, Session } from '@quantum-ip/client'
import { generateKemKey, kemJwk } from '@quantum-ip/crypto'
import { parseConfig } from '@quantum-ip/http'
import { inputOf } from '../../../platform/telemetry/test/samples.ts'
import { openDecisionPart } from '../src/up/decision-part.ts'
import { registerMetrics } from '../src/up/register-metrics.ts'

let folder = ''

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'qip-decision-part-'))
  await writeFile(join(folder, 'hash.key'), new Uint8Array(32).fill(5))
  await writeFile(join(folder, 'custodian.jwk'), JSON.stringify(kemJwk(generateKemKey('X-Wing').publicKey)))
})

after(() => rm(folder, { recursive: true }))

/** A way to an authority that notes what it gets, or is away. */
class FakeWay {
  isAway = false
  readonly bodies: JsonObject[] = []

  async request({ body }: AuthorityRequest) {
    await sleep(1)
    if (this.isAway) throw new TypeError('the authority is away')
    this.bodies.push(JSON.parse(parseUtf8(body ?? new Uint8Array())) as JsonObject)
    return { status: 200, mediaType: 'application/json', body: utf8('{}') }
  }

  get session(): Session {
    return this as unknown as Session
  }

  records(): JsonObject[] {
    return this.bodies.flatMap((body) =>
      (body['records'] as JsonObject[]).map(({ record }) => record as JsonObject),
    )
  }
}

function open(name: string, decisions: string, more: { way?: FakeWay; incident?: () => boolean } = {}) {
  const { way = new FakeWay(), incident = () => false } = more
  const text = `telemetry: { decisions: { folder: ./${name}, ${decisions} } }\n`
  const config = parseConfig(text, join(folder, 'quantum-ip.yaml'))
  return openDecisionPart({
    config,
    session: way.session,
    metrics: registerMetrics(config),
    thread: 0,
    alertness: {
      get incident() {
        return incident()
      },
    },
    onEvent: () => undefined,
    outbox: { record: () => undefined },
  })
}

test('what an authority behind a fake way missed while it was away comes when it is back, once the gateway runs again', async () => {
  const way = new FakeWay()
  way.isAway = true
  const first = await open('outage', 'verifiedShare: 0%', { way })
  const ids = Array.from({ length: 5 }, () => first.decisions.record(inputOf('token_expired')))
  await first[Symbol.asyncDispose]()
  assert.equal(way.bodies.length, 0)
  way.isAway = false
  const next = await open('outage', 'verifiedShare: 0%', { way })
  await next[Symbol.asyncDispose]()
  assert.deepEqual(new Set(way.records().map(({ id }) => id)), new Set(ids))
  assert.equal(next.uploaded().sent, 5)
})

test('each key of the configuration does what it says', async () => {
  const way = new FakeWay()
  let isOpen = false
  const keys = `verifiedShare: 0%, incidentShare: 100%, perReasonPerSecond: 1000,
    perReason: [{ reason: token_absent, perSecond: 2 }], redact: [{ field: route }, { field: claimedSubject, method: hash }],
    hashKeyFile: ./hash.key, seal: { keyFile: ./custodian.jwk, fields: [path] }`
  const part = await open('keys', keys, { way, incident: () => isOpen })
  assert.equal(part.decisions.record(inputOf('ok')), null)
  isOpen = true
  assert.ok(part.decisions.record(inputOf('ok')))
  for (let n = 0; n < 6; n++) part.decisions.record(inputOf('token_absent'))
  part.decisions.record(inputOf('token_expired', { mark: '-secret' }))
  const memory = part.decisions.newest(10).map(({ facts }) => facts['request.path'])
  await part[Symbol.asyncDispose]()
  assert.deepEqual(new Set(memory), new Set(['']))
  const records = way.records()
  const of = (reason: string) => records.filter((record) => record['reason'] === reason)
  assert.deepEqual([of('ok').length, of('token_absent').length], [1, 2])
  const suppressed = way.bodies.flatMap((body) => (body['suppressed'] ?? []) as JsonObject[])
  assert.deepEqual(
    suppressed.map(({ reason, count }) => [reason, count]),
    [['token_absent', 4]],
  )
  assert.equal(way.bodies.flatMap((body) => (body['sealKeys'] ?? []) as JsonObject[]).length, 1)
  const [expired] = of('token_expired')
  assert.ok(expired)
  assert.match(expired['claimedSubject'] as string, /^hmac:[0-9a-f]{64}$/)
  assert.ok(!('request.route' in (expired['facts'] as JsonObject)) && 'sealed' in expired)
  const texts = (await readdir(join(folder, 'keys', 'gateway'), { recursive: true })).map((file) =>
    readFile(join(folder, 'keys', 'gateway', file), 'utf8'),
  )
  assert.ok(!(await Promise.all(texts)).join('').includes('secret'))
})
