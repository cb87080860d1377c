import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type IncomingMessage, type ServerResponse, createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { test } from 'node:test'
import { isQipError } from '@quantum-ip/base'
import { sampleFacts } from '@quantum-ip/policy'
import { type OpaServerOptions, openOpaServer } from './index.ts'
import { answerOf } from './opa-answer.ts'

// What a real server answers is in `test/opa.real.test.ts`; here it answers what a real one would not.
async function openFake(answer: (request: IncomingMessage, response: ServerResponse) => void) {
  const server = createServer(answer)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
}

async function askOnce(options: OpaServerOptions): Promise<string> {
  const told: string[] = []
  const engine = openOpaServer({ ...options, onAnswer: (outcome) => told.push(outcome) })
  const answer = await engine.ask(sampleFacts())
  await engine.close()
  const { kind } = answer
  assert.deepEqual(told, [kind === 'unavailable' ? answer.fault : kind])
  return kind === 'decided' ? `${answer.action} ${answer.rule ?? '-'}` : (told[0] ?? '')
}

test('takes nothing for a decision that is none (a fake server)', async () => {
  const cases: [number, string, string][] = [
    [200, '{"result":"allow"}', 'allow -'],
    [200, '{"result":false}', 'reject -'],
    [200, '{"result":{"action":"quarantine","rule":"old"}}', 'quarantine old'],
    [200, '{}', 'silent'],
    [200, '{"result":"ALLOW"}', 'malformed'],
    [200, '{"result":{"allow":true}}', 'malformed'],
    [200, '{"result":null}', 'malformed'],
    [200, '{"result":1}', 'malformed'],
    [200, '[]', 'malformed'],
    [200, '{"result":"allow","result":"reject"}', 'malformed'],
    [200, 'allow', 'malformed'],
    [200, `{"result":"allow","more":"${'x'.repeat(70_000)}"}`, 'malformed'],
    [500, '{"result":"allow"}', 'failed'],
    [404, '{}', 'failed'],
  ]
  let at = 0
  await using fake = await openFake((_request, response) => {
    const [status, body] = cases[at++] as [number, string, string]
    response.writeHead(status).end(body)
  })
  for (const [status, body, expected] of cases) {
    assert.equal(
      await askOnce({ url: fake.url, path: 'a/b', timeoutMs: 5_000 }),
      expected,
      `${status} ${body.slice(0, 40)}`,
    )
  }
})

test('gives up in time, when nobody answers, and when too many questions are open (a fake server)', async () => {
  await using fake = await openFake(() => {})
  assert.equal(await askOnce({ url: fake.url, path: 'a', timeoutMs: 30 }), 'timeout')
  assert.equal(await askOnce({ url: 'http://127.0.0.1:1', path: 'a', timeoutMs: 5_000 }), 'unreachable')
  const engine = openOpaServer({ url: fake.url, path: 'a', timeoutMs: 200, inFlightMax: 2 })
  const answers = await Promise.all([1, 2, 3].map(async () => engine.ask(sampleFacts())))
  assert.deepEqual(
    answers.map((answer) => (answer.kind === 'unavailable' ? answer.fault : answer.kind)),
    ['timeout', 'timeout', 'busy'],
  )
  await engine.close()
})

test('keeps answers for the same facts, ages and the time apart, until they end (a fake server)', async () => {
  let asked = 0
  await using fake = await openFake((_request, response) => response.end(`{"result":${++asked % 2 === 1}}`))
  let nowMs = 1_000
  const clock = { now: () => nowMs }
  const engine = openOpaServer({
    url: fake.url,
    path: 'a',
    timeoutMs: 5_000,
    cacheMs: 1_000,
    cacheMax: 2,
    clock,
  })
  const ask = async (replaced = {}) => {
    const answer = await engine.ask(sampleFacts(replaced))
    return answer.kind === 'decided' ? answer.action : answer.kind
  }
  assert.equal(await ask(), 'allow')
  assert.equal(await ask({ 'env.timeS': 7, 'build.ageS': 1 }), 'allow')
  assert.equal(asked, 1)
  assert.equal(await ask({ 'request.method': 'POST' }), 'reject')
  assert.equal(await ask({ 'request.method': 'PUT' }), 'allow')
  // The first one gave way.
  assert.equal(await ask(), 'reject')
  nowMs += 1_000
  assert.equal(await ask(), 'allow')
  nowMs -= 5_000
  assert.equal(await ask(), 'reject')
  await engine.close()
})

test('sends the facts that it is to send, and no others (a fake server)', async () => {
  const seen: string[] = []
  await using fake = await openFake((request, response) => {
    request
      .setEncoding('utf8')
      .on('data', (text: string) => seen.push(`${request.method} ${request.url} ${text}`))
    request.on('end', () => response.end('{}'))
  })
  await askOnce({
    url: fake.url,
    path: 'quantum_ip/decision',
    timeoutMs: 5_000,
    facts: ['build.slsaLevel', 'identity.chain'],
  })
  assert.deepEqual(seen, [
    'POST /v1/data/quantum_ip/decision {"input":{"build.slsaLevel":3,"identity.chain":[]}}',
  ])
})

test('refuses options that are none', () => {
  const good = { url: 'http://127.0.0.1:8181', path: 'a' }
  const wrong: Partial<OpaServerOptions>[] = [
    { url: 'ftp://x' },
    { url: 'http://user:secret@x' },
    { url: 'http://x/v1' },
    { path: '../x' },
    { path: '' },
    { timeoutMs: 0 },
    { inFlightMax: 1.5 },
    { cacheMs: -1 },
  ]
  for (const one of wrong) {
    assert.throws(
      () => openOpaServer({ ...good, ...one }),
      (error) => isQipError(error, 'QIP_OPA_OPTION_INVALID') && !error.message.includes('secret'),
    )
  }
})

test('leaves out a name that no rule could have', () => {
  assert.deepEqual(answerOf({ action: 'reject', rule: 'a\nb' }), {
    kind: 'decided',
    action: 'reject',
    rule: null,
  })
  assert.deepEqual(answerOf({ action: 'reject', rule: 7 }), { kind: 'decided', action: 'reject', rule: null })
})
