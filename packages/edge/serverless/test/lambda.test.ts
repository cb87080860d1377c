import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { isQipError } from '@quantum-ip/base'
import { createServerlessPoint } from '../src/index.ts'
import { verifiedLambda } from '../src/lambda.ts'
import { caller, type Domain, httpEvent, openDomain, shop } from './support.ts'

let domain: Domain

before(async () => {
  domain = await openDomain()
})

after(async () => {
  await domain[Symbol.asyncDispose]()
})

function point() {
  return createServerlessPoint({ service: shop, trust: domain.trust })
}

interface Answer {
  readonly statusCode: number
  readonly headers: Record<string, string>
  readonly body: string
}

test('a function behind an HTTP API sees who calls, with trust from a mirror', async () => {
  const handler = verifiedLambda<ReturnType<typeof httpEvent>>(point(), {
    handler: ({ quantumIp, headers }) => ({ identity: quantumIp.identity, headers }),
  })
  const event = httpEvent([
    ['quantum-ip', await domain.token()],
    ['quantum-ip-status', 'status=verified, sub="spiffe://acme.example/admin"'],
    ['quantum_ip_status', 'status=verified, sub="spiffe://acme.example/admin"'],
    ['x-own', 'kept'],
  ])
  const { identity, headers } = (await handler(event, {})) as {
    identity: string
    headers: Record<string, string>
  }
  assert.equal(identity, caller)
  assert.match(headers['quantum-ip-status'] ?? '', /^status=verified, .*sub="[^"]*checkout"/)
  assert.deepEqual(Object.keys(headers).sort(), ['host', 'quantum-ip-status', 'x-own'])
})

test('a refused request is answered in the shape of the event, and loads nothing of the application', async () => {
  let loads = 0
  const handler = verifiedLambda(point(), {
    load: async () => {
      loads++
      return { handler: () => 'application' }
    },
  })
  const token = await domain.token()
  for (const fields of [
    [],
    [['quantum-ip', token.slice(0, 100)]],
    [
      ['quantum-ip', token],
      ['quantum-ip', token],
    ],
  ]) {
    const answer = (await handler(httpEvent(fields as [string, string][]), {})) as Answer
    assert.equal(answer.statusCode, 401)
    assert.match(answer.headers['www-authenticate'] ?? '', /^Quantum-IP/)
    assert.equal(JSON.parse(answer.body).code, 'token_refused')
  }
  assert.equal(loads, 0)
  for (let i = 0; i < 3; i++) {
    assert.equal(await handler(httpEvent([['quantum-ip', await domain.token()]]), {}), 'application')
  }
  assert.equal(loads, 1)
})

test('an event that is no HTTP request reaches no handler', async () => {
  let asked = 0
  const handler = verifiedLambda<object>(point(), { handler: () => asked++ })
  for (const event of [{ Records: [] }, {}, { version: '2.0', headers: { 'quantum-ip': 'x' } }]) {
    await assert.rejects(handler(event, {}), (error) => isQipError(error, 'QIP_SERVERLESS_EVENT_UNKNOWN'))
  }
  assert.equal(asked, 0)
})

test('one-time tokens are refused where no replay guard is shared', async () => {
  const handler = verifiedLambda(point(), { handler: () => 'application' })
  const token = await domain.token({ oneTime: true })
  const answer = (await handler(httpEvent([['quantum-ip', token]]), {})) as Answer
  assert.equal(answer.statusCode, 503)
})
