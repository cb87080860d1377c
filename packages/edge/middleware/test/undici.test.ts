import assert from 'node:assert/strict'
import type { IncomingMessage } from 'node:http'
import { Readable } from 'node:stream'
import { text } from 'node:stream/consumers'
import { test } from 'node:test'
import { tracestateHint } from '@quantum-ip/token'
import { Agent, Client, type Dispatcher, interceptors, Pool, request } from 'undici'
import { verified } from '../src/node-http.ts'
import { undiciInterceptor } from '../src/undici.ts'
import { listen, openKit } from './support/calling.ts'

/** What arrived, as it arrived: the middleware takes its fields off. */
type Asked = Pick<IncomingMessage, 'headers' | 'rawHeaders'>

type Kit = Awaited<ReturnType<typeof openKit>>

/** A service that echoes what was sent, and keeps what it was asked. */
async function openService({ quantumIp }: Kit, asked: Asked[] = []) {
  return listen((request, response) => {
    asked.push({ headers: { ...request.headers }, rawHeaders: [...request.rawHeaders] })
    verified(quantumIp, async (request, response) => {
      response.end(`${request.quantumIp.identity} ${await text(request)}`)
    })(request, response)
  })
}

/** A server that knows nothing of tokens, and keeps what it was asked. */
async function openOther(asked: Asked[]) {
  return listen((request, response) => {
    asked.push(request)
    response.end('there')
  })
}

/** Answers each request with a redirect to there. */
function openRedirecting(to: string, asked: Asked[]) {
  return listen((request, response) => {
    asked.push(request)
    response.writeHead(307, { location: to }).end('elsewhere')
  })
}

/** The same, destroyed at the end of a test. */
function destroyed<D extends Dispatcher>(dispatcher: D): D & AsyncDisposable {
  return Object.assign(dispatcher, { [Symbol.asyncDispose]: () => dispatcher.destroy() })
}

function attaching(origin: string, kit: Pick<Kit, 'audience' | 'tokens'>) {
  return undiciInterceptor({ services: { [origin]: kit } })
}

const caller = 'spiffe://example.test/caller'

const forms: Readonly<Record<string, NonNullable<Dispatcher.DispatchOptions['headers']>>> = {
  'an object': { tracestate: 'a=b', 'x-own': 'kept', 'Quantum-IP': 'spoofed', quantum_ip_status: 'spoofed' },
  'a flat list': [
    'tracestate',
    'a=b',
    'x-own',
    'kept',
    'Quantum-IP',
    'spoofed',
    'quantum_ip_status',
    'spoofed',
  ],
  pairs: new Map<string, string>([
    ['tracestate', 'a=b'],
    ['x-own', 'kept'],
    ['Quantum-IP', 'spoofed'],
    ['quantum_ip_status', 'spoofed'],
  ]),
}

for (const [form, headers] of Object.entries(forms)) {
  test(`attaches a token in place of what the caller wrote as ${form}, each time another, and the hint`, async () => {
    const kit = await openKit()
    const asked: Asked[] = []
    await using server = await openService(kit, asked)
    await using agent = destroyed(new Agent())
    const dispatcher = agent.compose(attaching(server.url, kit))
    for (let i = 0; i < 2; i++) {
      const { body } = await request(`${server.url}/cart?x=1`, { dispatcher, headers })
      assert.equal(await body.text(), `${caller} `)
    }
    for (const { rawHeaders } of asked) {
      assert.ok(!rawHeaders.includes('spoofed'))
      assert.ok(rawHeaders.includes(`qip=${tracestateHint(kit.audience)},a=b`))
      assert.ok(rawHeaders.includes('kept'))
    }
    assert.equal(kit.taken(), 2)
  })

  test(`takes everything of ours off requests to other origins, written as ${form}, and nothing else`, async () => {
    const kit = await openKit()
    const asked: Asked[] = []
    await using other = await openOther(asked)
    await using agent = destroyed(new Agent())
    const dispatcher = agent.compose(attaching('https://shop.example.test', kit))
    await (await request(other.url, { dispatcher, headers })).body.text()
    const { headers: seen, rawHeaders } = asked[0] as Asked
    assert.ok(!rawHeaders.includes('spoofed'))
    assert.equal(seen['tracestate'], 'a=b')
    assert.equal(seen['x-own'], 'kept')
    assert.equal(kit.taken(), 0)
  })
}

const bodies: Readonly<Record<string, string | Buffer | undefined>> = {
  'no body': undefined,
  text: 'an order',
  bytes: Buffer.from('an order'),
}

for (const [kind, body] of Object.entries(bodies)) {
  test(`answers a challenge for the head once, with the same token and its staple: ${kind}`, async () => {
    const kit = await openKit('unlisted')
    const asked: Asked[] = []
    await using server = await openService(kit, asked)
    await using agent = destroyed(new Agent())
    const dispatcher = agent.compose(attaching(server.url, kit))
    const answer = await request(server.url, { dispatcher, method: 'POST', body: body ?? null })
    assert.equal(await answer.body.text(), `${caller} ${String(body ?? '')}`)
    assert.equal(asked.length, 2)
    assert.equal(kit.taken(), 1)
  })
}

test('does not send a stream again: whoever called gets the challenge', async () => {
  const kit = await openKit('unlisted')
  const asked: Asked[] = []
  await using server = await openService(kit, asked)
  await using agent = destroyed(new Agent())
  const dispatcher = agent.compose(attaching(server.url, kit))
  const answer = await request(server.url, { dispatcher, method: 'POST', body: Readable.from(['an order']) })
  assert.equal(answer.statusCode, 401)
  assert.match(String(answer.headers['www-authenticate']), /head="required"/)
  assert.equal(asked.length, 1)
})

test('gives up after one retry, and does not listen to a challenge without an end', async () => {
  const kit = await openKit('unlisted')
  let asked = 0
  await using server = await listen((_request, response) => {
    asked++
    response.writeHead(401, { 'www-authenticate': 'Quantum-IP error="token_refused", head="required"' })
    if (asked === 1) response.write(Buffer.alloc(200_000))
    else response.end('no')
  })
  await using agent = destroyed(new Agent())
  const { statusCode, body } = await request(server.url, {
    dispatcher: agent.compose(attaching(server.url, kit)),
  })
  assert.deepEqual([statusCode, await body.text()], [401, 'no'])
  assert.equal(asked, 2)
})

test('redirects that are followed around it: a token for each hop where it goes, none at another origin', async () => {
  const kit = await openKit()
  const [here, there]: [Asked[], Asked[]] = [[], []]
  await using other = await openOther(there)
  await using server = await listen((request, response) => {
    here.push(request)
    const location = request.url === '/first' ? '/second' : `${other.url}/third`
    response.writeHead(307, { location }).end()
  })
  await using agent = destroyed(new Agent())
  const dispatcher = agent.compose(attaching(server.url, kit), interceptors.redirect({ maxRedirections: 5 }))
  const headers = { 'quantum-ip-head': 'x', tracestate: 'a=b' }
  const { body } = await request(`${server.url}/first`, {
    dispatcher,
    method: 'POST',
    body: 'an order',
    headers,
  })
  assert.equal(await body.text(), 'there')
  const tokens = here.map(({ headers }) => headers['quantum-ip'])
  assert.equal(new Set(tokens).size, 2)
  assert.ok(!tokens.includes(undefined))
  assert.deepEqual(
    [there[0]?.headers['quantum-ip'], there[0]?.headers['quantum-ip-head']],
    [undefined, undefined],
  )
  assert.equal(there[0]?.headers['tracestate'], 'a=b')
})

test('redirects that would be followed within it are not, and no token reaches another origin', async () => {
  const kit = await openKit()
  const [here, there]: [Asked[], Asked[]] = [[], []]
  await using other = await openOther(there)
  await using server = await openRedirecting(other.url, here)
  await using agent = destroyed(new Agent())
  const dispatcher = agent.compose(interceptors.redirect({ maxRedirections: 5 }), attaching(server.url, kit))
  const { statusCode, body } = await request(server.url, { dispatcher })
  await body.dump()
  assert.equal(statusCode, 307)
  assert.ok(here[0]?.headers['quantum-ip'] !== undefined)
  assert.equal(there.length, 0)
})

test('a redirect that the global `fetch` follows through it takes no token to another origin', async () => {
  const kit = await openKit()
  const [here, there]: [Asked[], Asked[]] = [[], []]
  await using other = await openOther(there)
  await using server = await openRedirecting(other.url, here)
  await using agent = destroyed(new Agent())
  const dispatcher = agent.compose(attaching(server.url, kit))
  const { fetch } = await import('undici')
  assert.equal(await (await fetch(server.url, { dispatcher })).text(), 'there')
  assert.ok(here[0]?.headers['quantum-ip'] !== undefined)
  assert.equal(there[0]?.headers['quantum-ip'], undefined)
  assert.equal(there[0]?.headers['tracestate'], undefined)
})

test("undici's retries around it get a token each", async () => {
  const kit = await openKit()
  const asked: Asked[] = []
  await using server = await listen((request, response) => {
    asked.push(request)
    response.writeHead(asked.length < 3 ? 503 : 200).end('well')
  })
  await using agent = destroyed(new Agent())
  const retry = interceptors.retry({ maxRetries: 3, minTimeout: 1, timeoutFactor: 1 })
  const { body } = await request(server.url, { dispatcher: agent.compose(attaching(server.url, kit), retry) })
  assert.equal(await body.text(), 'well')
  assert.equal(new Set(asked.map(({ headers }) => headers['quantum-ip'])).size, 3)
})

test('a pool and a client attach where they lead, whatever a request says', async () => {
  const kit = await openKit()
  const there: Asked[] = []
  await using server = await openService(kit)
  await using other = await openOther(there)
  for (const Kind of [Pool, Client]) {
    await using own = destroyed(new Kind(server.url))
    const answer = await own.compose(attaching(server.url, kit)).request({ path: '/', method: 'GET' })
    assert.equal(await answer.body.text(), `${caller} `)
    await using elsewhere = destroyed(new Kind(other.url))
    const misled = elsewhere.compose(attaching(server.url, kit))
    await (await misled.request({ origin: server.url, path: '/', method: 'GET' })).body.dump()
  }
  assert.deepEqual(
    there.map(({ headers }) => headers['quantum-ip']),
    [undefined, undefined],
  )
})

test('who gives up does not wait for a token, and nothing is sent', async () => {
  const { audience } = await openKit()
  const asked: Asked[] = []
  await using server = await openOther(asked)
  await using agent = destroyed(new Agent())
  const coming = Promise.withResolvers<never>()
  const dispatcher = agent.compose(
    attaching(server.url, { audience, tokens: { take: () => coming.promise } }),
  )
  const giving = new AbortController()
  const refused = assert.rejects(request(server.url, { dispatcher, signal: giving.signal }), {
    name: 'AbortError',
  })
  giving.abort()
  await refused
  await assert.rejects(request(server.url, { dispatcher, signal: giving.signal }), { name: 'AbortError' })
  coming.reject(new Error('too late'))
  await new Promise(setImmediate)
  assert.equal(asked.length, 0)
})

test('who gives up while a request waits for a connection, or for its answer, is told once', async () => {
  const kit = await openKit()
  const reached = Promise.withResolvers<undefined>()
  await using server = await listen(() => reached.resolve(undefined))
  await using client = destroyed(new Client(server.url, { pipelining: 1 }))
  const composed = client.compose(attaching(server.url, kit))
  const [first, second] = [new AbortController(), new AbortController()]
  const ask = (signal: AbortSignal) => composed.request({ path: '/', method: 'POST', body: 'x', signal })
  const answering = assert.rejects(ask(first.signal), { name: 'AbortError' })
  await reached.promise
  const queued = assert.rejects(ask(second.signal), { name: 'AbortError' })
  await new Promise(setImmediate)
  second.abort()
  await queued
  first.abort()
  await answering
})

test('fails where no token can be had, and nothing is sent', async () => {
  const { audience } = await openKit()
  const asked: Asked[] = []
  await using server = await openOther(asked)
  await using agent = destroyed(new Agent())
  const failure = new Error('the authority is away')
  const tokens = { take: () => Promise.reject(failure) }
  const dispatcher = agent.compose(attaching(server.url, { audience, tokens }))
  await assert.rejects(request(server.url, { dispatcher }), failure)
  const body = Readable.from(['an order'])
  await assert.rejects(request(server.url, { dispatcher, method: 'POST', body }), failure)
  assert.ok(body.destroyed)
  assert.equal(asked.length, 0)
})

test('a path that is a whole URL, as for a proxy, gets no token', async () => {
  const kit = await openKit()
  const asked: Asked[] = []
  await using server = await openOther(asked)
  await using pool = destroyed(new Pool(server.url))
  const path = 'http://elsewhere.example.test/'
  await (await pool.compose(attaching(server.url, kit)).request({ path, method: 'GET' })).body.dump()
  assert.equal(asked[0]?.headers['quantum-ip'], undefined)
})
