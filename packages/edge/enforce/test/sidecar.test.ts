import assert from 'node:assert/strict'
import { createServer, type IncomingMessage, request } from 'node:http'
import type { AddressInfo } from 'node:net'
import { once } from 'node:events'
import { test } from 'node:test'
import { type IssuedToken } from '@quantum-ip/client'
import { generateProofJwk, parseProofSigner } from '@quantum-ip/crypto'
import type { Carried, Outcome } from '@quantum-ip/point'
import { CallMemory, type HeldTokens, openOutbound } from '../src/index.ts'

const shop = 'spiffe://acme.example/shop'
const trace = '0af7651916cd43dd8448eb211c80319c'
const parent = (span: string, traceId = trace) => `00-${traceId}-${span}-01`
const [one, two, own] = ['00f067aa0ba902b1', '00f067aa0ba902b2', '00f067aa0ba902b3']

class Clock {
  ms = 1_800_000_000_000
  now = (): number => this.ms
}

function memory(heldMax = 1_000) {
  const clock = new Clock()
  return { clock, calls: new CallMemory({ heldMax, lifetimeMs: 300_000, clock }) }
}

/** A call as a point lets it on: who calls is what the verdict says, and nobody where there is none. */
function arrive(calls: CallMemory, caller: string | undefined, traceparent: string | undefined) {
  const carried = { token: caller && `token of ${caller}`, tokenCount: 1, traceparent } as Carried
  const verdict = { status: 'verified', identity: caller, expiresS: 1_800_000_200 }
  const fields = traceparent === undefined ? [] : ['traceparent', traceparent]
  const outcome = caller === undefined ? undefined : ({ verdict } as unknown as Outcome)
  const got = calls.admit(carried, ['quantum-ip-status', 'x', ...fields], outcome)
  const field = (name: string): string | undefined => {
    const at = got.indexOf(name)
    return at < 0 ? undefined : got[at + 1]
  }
  return { traceparent: field('traceparent'), tracestate: field('tracestate') }
}

function tokenOf(calls: CallMemory, traceparent: string | undefined, tracestate?: string): string {
  const found = calls.find({ traceparent, tracestate })
  return found.kind === 'known' ? found.call.token : found.kind
}

test('finds an inbound call by its handle, by its traceparent, and by its trace where that is one caller’s', () => {
  const { calls } = memory()
  const { traceparent, tracestate } = arrive(calls, 'a', parent(one))
  assert.equal(traceparent, parent(one))
  assert.equal(tokenOf(calls, parent(own), tracestate), 'token of a')
  assert.equal(tokenOf(calls, traceparent), 'token of a')
  assert.equal(tokenOf(calls, parent(own)), 'token of a')
  assert.equal(tokenOf(calls, parent(own, 'f'.repeat(32))), 'unknown')
  assert.equal(tokenOf(calls, undefined), 'unknown')
})

test('names nobody where a trace leads to several callers, and the right one where a handle or traceparent tells them apart', () => {
  const { calls } = memory()
  const first = arrive(calls, 'a', parent(one))
  const second = arrive(calls, 'b', parent(two))
  assert.equal(tokenOf(calls, parent(own)), 'ambiguous')
  assert.equal(tokenOf(calls, parent(one)), 'token of a')
  assert.equal(tokenOf(calls, parent(own), first.tracestate), 'token of a')
  assert.equal(tokenOf(calls, parent(own), `x=1,${second.tracestate}`), 'token of b')
  // The same span from another caller: whoever copies a traceparent gains nothing by it.
  arrive(calls, 'b', parent(one))
  assert.equal(tokenOf(calls, parent(one)), 'ambiguous')
})

test('names nobody for a trace into which somebody came without a token', () => {
  const { calls } = memory()
  arrive(calls, 'a', parent(one))
  arrive(calls, undefined, parent(two))
  assert.equal(tokenOf(calls, parent(own)), 'ambiguous')
  assert.equal(tokenOf(calls, parent(one)), 'token of a')
})

test('nobody fills the memory without a token, and the oldest call gives way', () => {
  const { calls } = memory(3)
  for (let i = 0; i < 10; i++) arrive(calls, undefined, parent(one, `${i}`.padStart(32, 'a')))
  assert.equal(calls.size, 0)
  for (let i = 0; i < 10; i++) arrive(calls, 'a', parent(one, `${i}`.padStart(32, 'a')))
  assert.equal(calls.size, 3)
})

test('a trace with so many calls that some were let go names nobody by its trace', () => {
  const { calls } = memory()
  const first = arrive(calls, 'a', parent(one))
  for (let i = 0; i < 300; i++) arrive(calls, 'b', parent(two))
  assert.equal(tokenOf(calls, parent(own)), 'ambiguous')
  assert.equal(tokenOf(calls, parent(two)), 'ambiguous')
  assert.equal(tokenOf(calls, parent(own), first.tracestate), 'ambiguous')
})

test('forgets a call with its token, and takes off handles that callers bring', () => {
  const { calls, clock } = memory()
  const { traceparent, tracestate } = arrive(calls, 'a', parent(one))
  clock.ms += 200_001
  assert.equal(tokenOf(calls, traceparent, tracestate), 'unknown')
  const carried = { token: 'x', tokenCount: 1, traceparent: parent(two), tracestate } as Carried
  const got = calls.admit(carried, ['tracestate', `${tracestate ?? ''},x=1`, 'traceparent', parent(two)])
  assert.deepEqual(got, ['traceparent', parent(two), 'tracestate', 'x=1'])
})

test('begins a trace where the caller has none, so that there is something to hand on', () => {
  const { calls } = memory()
  const { traceparent } = arrive(calls, 'a', undefined)
  assert.match(traceparent ?? '', /^00-[0-9a-f]{32}-[0-9a-f]{16}-0[0-3]$/)
  assert.equal(tokenOf(calls, traceparent), 'token of a')
})

/** An outbound listener before a receiver that takes a token with its head only. Tokens come from a stand-in for the authority. */
async function openScene(stack: AsyncDisposableStack, scene: { refusal?: string; isLimited?: boolean } = {}) {
  const seen: { head: string | undefined; body: string; host: string | undefined; tracestate: unknown }[] = []
  const receiver = createServer((request, response) => {
    let body = ''
    request.setEncoding('utf8').on('data', (part: string) => (body += part))
    request.on('end', () => {
      const { 'quantum-ip-head': head, tracestate, host } = request.headers
      seen.push({ head: head as string | undefined, body, host, tracestate })
      const worn = request.headers['quantum-ip'] === 'qip1.token 1' ? scene.refusal : undefined
      if (worn !== undefined) {
        const fields = { 'www-authenticate': `Quantum-IP error="${worn}"` }
        response.writeHead(worn === 'replay_unavailable' ? 503 : 401, fields).end('refused')
        return
      }
      if (head === undefined)
        response.writeHead(401, { 'www-authenticate': 'Quantum-IP error="head_unknown", head="required"' })
      response.end(head === undefined ? 'challenged' : 'welcome')
    })
  })
  receiver.listen(0, '127.0.0.1')
  await once(receiver, 'listening')
  stack.defer(() => {
    receiver.closeAllConnections()
    receiver.close()
  })
  let draws = 1
  const take = () => {
    if (draws === 0) return Promise.reject(new Error('the authority is away'))
    const issued = { token: `qip1.token ${draws}`, staple: 'staple', expiresS: 2_000_000_000 }
    return Promise.resolve(issued as unknown as IssuedToken)
  }
  const discard = () => {
    draws = scene.isLimited === true ? 0 : draws + 1
    return true
  }
  const told: string[] = []
  const outbound = await openOutbound({
    name: 'shop-sidecar',
    listen: { host: '127.0.0.1', port: 0 },
    destinations: [
      {
        host: 'orders.internal',
        wish: { audience: shop, oneTime: false, isBound: false },
        chain: 'kept',
        upstream: { url: `http://127.0.0.1:${(receiver.address() as AddressInfo).port}` },
      },
    ],
    tokens: { take, discard } as unknown as HeldTokens,
    calls: memory().calls,
    signer: parseProofSigner(generateProofJwk('Ed25519')),
    observer: { outbound: (outcome) => told.push(outcome) },
  })
  stack.defer(() => outbound.close())
  return { seen, told, port: outbound.addresses[0]?.port ?? 0 }
}

async function send(
  port: number,
  options: { host?: string; method?: string; fields?: object; body?: string | string[]; path?: string },
) {
  const { host = 'orders.internal', method = 'POST', fields = {}, body, path = '/x' } = options
  const sent = request({ host: '127.0.0.1', port, path, method, headers: { host, ...fields }, agent: false })
  for (const part of Array.isArray(body) ? body : []) sent.write(part)
  sent.end(typeof body === 'string' ? body : undefined)
  const [response] = (await once(sent, 'response')) as [IncomingMessage]
  let text = ''
  for await (const part of response.setEncoding('utf8')) text += part
  return { status: response.statusCode, text }
}

test('sends the head of a token where it is asked for, once, with the same body', async () => {
  await using stack = new AsyncDisposableStack()
  const { seen, told, port } = await openScene(stack)
  assert.deepEqual(await send(port, { body: 'hello' }), { status: 200, text: 'welcome' })
  assert.deepEqual(
    seen.map(({ head, body }) => [head, body]),
    [
      [undefined, 'hello'],
      ['staple', 'hello'],
    ],
  )
  assert.deepEqual(told, ['sent', 'head_sent'])
})

test('reaches what is configured only, by name or as a proxy, and neither for browsers nor through tunnels', async () => {
  await using stack = new AsyncDisposableStack()
  const { seen, told, port } = await openScene(stack)
  const proxied = await send(port, {
    method: 'GET',
    path: 'http://orders.internal/y',
    fields: { tracestate: 'qip-call=AAAAAAAAAAAAAAAAAAAAAA,x=1' },
  })
  assert.equal(proxied.status, 200)
  assert.equal(seen[0]?.host, 'orders.internal')
  assert.match(String(seen[0]?.tracestate), /^qip=[0-9a-f]{8},x=1$/)
  assert.equal((await send(port, { host: 'elsewhere.internal' })).status, 404)
  assert.equal((await send(port, { fields: { 'sec-fetch-site': 'cross-site' } })).status, 403)
  assert.equal((await send(port, { fields: { origin: 'https://evil.example' } })).status, 403)
  assert.deepEqual(told.slice(2), ['no_destination', 'browser', 'browser'])
  assert.equal(seen.length, 2)
})

test('sends a call again with another token where the first one does not hold, or is older than its receiver', async () => {
  for (const refusal of ['token_refused', 'replay_unavailable']) {
    await using stack = new AsyncDisposableStack()
    const { seen, port } = await openScene(stack, { refusal })
    assert.deepEqual(await send(port, { body: 'hello' }), { status: 200, text: 'welcome' })
    assert.deepEqual(
      seen.map(({ head, body }) => [head, body]),
      [
        [undefined, 'hello'],
        [undefined, 'hello'],
        ['staple', 'hello'],
      ],
    )
  }
})

test('hands the refusal on where no other token can be had, the token was used, or the body is gone', async () => {
  for (const [refusal, isLimited, body] of [
    ['token_refused', true, 'hello'],
    ['token_replayed', false, 'hello'],
    ['token_refused', false, ['a', 'b']],
  ] as const) {
    await using stack = new AsyncDisposableStack()
    const { seen, port } = await openScene(stack, { refusal, isLimited })
    const sent = typeof body === 'string' ? body : [...body]
    assert.deepEqual(await send(port, { body: sent }), { status: 401, text: 'refused' })
    assert.equal(seen.length, 1)
  }
})
