import assert from 'node:assert/strict'
import { type IncomingMessage, type ServerResponse } from 'node:http'
import { text } from 'node:stream/consumers'
import { test } from 'node:test'
import { tracestateHint } from '@quantum-ip/token'
import { createServiceFetch } from '../src/fetch.ts'
import { verified } from '../src/node-http.ts'
import { listen, openKit } from './support/calling.ts'

test('attaches a token that the service takes, each time another, and the hint', async () => {
  const { audience, tokens, quantumIp } = await openKit()
  const hints: unknown[] = []
  await using server = await listen((request, response) => {
    hints.push(request.headers['tracestate'])
    verified(quantumIp, (request, response) => response.end(request.quantumIp.identity))(request, response)
  })
  const call = createServiceFetch({ audience, tokens, origin: server.url })
  for (let i = 0; i < 2; i++) {
    const answer = await call(`${server.url}/cart`, { headers: { tracestate: 'a=b' } })
    assert.equal(await answer.text(), 'spiffe://example.test/caller')
  }
  assert.deepEqual(
    hints,
    Array.from({ length: 2 }, () => `qip=${tracestateHint(audience)},a=b`),
  )
})

test('answers a challenge for the head once, with the same token, its staple and the same body', async () => {
  const { audience, tokens, quantumIp, taken } = await openKit('unlisted')
  const asked: IncomingMessage[] = []
  await using server = await listen((request, response) => {
    asked.push(request)
    const handler = verified(quantumIp, async (request, response) => response.end(await text(request)))
    handler(request, response)
  })
  const call = createServiceFetch({ audience, tokens, origin: server.url })
  const answer = await call(server.url, { method: 'POST', body: 'an order' })
  assert.equal(await answer.text(), 'an order')
  assert.equal(asked.length, 2)
  assert.equal(taken(), 1)
})

test('does not send a stream again: whoever called gets the challenge', async () => {
  const { audience, tokens, quantumIp } = await openKit('unlisted')
  let asked = 0
  await using server = await listen((request, response) => {
    asked++
    verified(quantumIp, (_request, response) => response.end())(request, response)
  })
  const call = createServiceFetch({ audience, tokens, origin: server.url })
  const body = new Blob(['an order']).stream()
  const answer = await call(server.url, { method: 'POST', body, duplex: 'half' })
  assert.equal(answer.status, 401)
  assert.match(answer.headers.get('www-authenticate') ?? '', /head="required"/)
  assert.equal(asked, 1)
})

test('gives up after one retry', async () => {
  const { audience, tokens } = await openKit('unlisted')
  let asked = 0
  await using server = await listen((_request, response) => {
    asked++
    response.setHeader('www-authenticate', 'Quantum-IP error="token_refused", head="required"')
    response.statusCode = 401
    response.end()
  })
  const answer = await createServiceFetch({ audience, tokens, origin: server.url })(server.url)
  assert.equal(answer.status, 401)
  assert.equal(asked, 2)
})

test('follows redirects: a new token at the same origin, none at another, and no credentials', async () => {
  const { audience, tokens } = await openKit()
  const there: IncomingMessage[] = []
  await using other = await listen((request, response) => {
    there.push(request)
    response.end('there')
  })
  const here: IncomingMessage[] = []
  await using server = await listen((request, response) => {
    here.push(request)
    const to = request.url === '/first' ? '/second' : `${other.url}/third`
    response.writeHead(request.url === '/first' ? 307 : 302, { location: to }).end()
  })
  const call = createServiceFetch({ audience, tokens, origin: server.url })
  const headers = { authorization: 'Bearer x', 'x-own': 'kept', tracestate: 'a=b', 'quantum-ip-head': 'x' }
  const answer = await call(`${server.url}/first`, { method: 'POST', body: 'an order', headers })
  assert.equal(await answer.text(), 'there')
  const [first, second] = here.map(({ headers }) => headers['quantum-ip'])
  assert.ok(first !== undefined && second !== undefined && first !== second)
  const [third] = there
  assert.equal(third?.method, 'GET')
  assert.equal(third.headers['quantum-ip'], undefined)
  assert.equal(third.headers['quantum-ip-head'], undefined)
  assert.equal(third.headers['authorization'], undefined)
  assert.equal(third.headers['tracestate'], 'a=b')
  assert.equal(third.headers['x-own'], 'kept')
})

test('sends no token where redirects are not followed to, and ends in loops', async () => {
  const { audience, tokens } = await openKit()
  await using server = await listen((_request, response) => {
    response.writeHead(302, { location: '/' }).end()
  })
  const call = createServiceFetch({ audience, tokens, origin: server.url })
  assert.equal((await call(server.url, { redirect: 'manual' })).status, 302)
  await assert.rejects(call(server.url, { redirect: 'error' }), TypeError)
  await assert.rejects(call(server.url), /too many redirects/)
})

test('requests to other origins go out as they are', async () => {
  const { audience, tokens, taken } = await openKit()
  await using server = await listen((request, response) =>
    response.end(String(request.headers['quantum-ip'])),
  )
  const call = createServiceFetch({ audience, tokens, origin: 'https://shop.example.test' })
  assert.equal(await (await call(server.url)).text(), 'undefined')
  assert.equal(taken(), 0)
})

test('rejects where no token can be had, and nothing is sent', async () => {
  const { audience } = await openKit()
  let asked = 0
  await using server = await listen((_request, response) => {
    asked++
    response.end()
  })
  const failure = new Error('the authority is away')
  const tokens = { take: () => Promise.reject(failure) }
  await assert.rejects(createServiceFetch({ audience, tokens, origin: server.url })(server.url), failure)
  assert.equal(asked, 0)
})

test('refuses plain HTTP to other machines unless it is asked for by name', async () => {
  const { audience, tokens } = await openKit()
  const origin = 'http://shop.example.test'
  assert.throws(() => createServiceFetch({ audience, tokens, origin }), TypeError)
  createServiceFetch({ audience, tokens, origin, plainHttp: 'anywhere' })
})

test('a call that is given up ends at once, also while it follows a redirect, and nothing is sent again', async () => {
  const { audience, tokens } = await openKit()
  let asked = 0
  const reached = Promise.withResolvers<undefined>()
  await using server = await listen((request, response) => {
    asked++
    if (request.url === '/first') response.writeHead(307, { location: '/second' }).end()
    else reached.resolve(undefined)
  })
  const call = createServiceFetch({ audience, tokens, origin: server.url })
  const giving = new AbortController()
  const answer = call(`${server.url}/first`, { method: 'POST', body: 'an order', signal: giving.signal })
  const refused = assert.rejects(answer, { name: 'AbortError' })
  await reached.promise
  giving.abort()
  await refused
  assert.equal(asked, 2)
})

test('a token that is refused is let go, and another goes with the same body, once', async () => {
  const { audience, tokens } = await openKit()
  for (const [status, error, times] of [
    [401, 'token_refused', 2],
    [503, 'replay_unavailable', 2],
    // It may have been served.
    [401, 'token_replayed', 1],
    [401, 'audience_mismatch', 1],
    [403, 'token_refused', 1],
  ] as const) {
    const got: unknown[] = []
    const receive = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
      got.push(request.headers['quantum-ip'], await text(request))
      if (got.length === 2) response.writeHead(status, { 'www-authenticate': `Quantum-IP error="${error}"` })
      response.end()
    }
    await using server = await listen((request, response) => void receive(request, response))
    const call = createServiceFetch({
      audience,
      tokens: { ...tokens, discard: () => true },
      origin: server.url,
    })
    const answer = await call(server.url, { method: 'POST', body: 'an order' })
    assert.equal(answer.status, times === 2 ? 200 : status, error)
    assert.equal(got.length, times * 2)
    if (times === 2) assert.deepEqual([got[3], got[2] === got[0]], ['an order', false])
  }
})

test('a refused token stays where the pool has let another go just now, or a stream cannot be sent again', async () => {
  const { audience, tokens } = await openKit()
  let asked = 0
  await using server = await listen((_request, response) => {
    asked++
    response.writeHead(401, { 'www-authenticate': 'Quantum-IP error="token_refused"' }).end('why')
  })
  const kept = { ...tokens, discard: () => false }
  const refused = await createServiceFetch({ audience, tokens: kept, origin: server.url })(server.url)
  assert.deepEqual([refused.status, await refused.text()], [401, 'why'])
  const call = createServiceFetch({
    audience,
    tokens: { ...tokens, discard: () => true },
    origin: server.url,
  })
  const body = new Blob(['an order']).stream()
  assert.equal((await call(server.url, { method: 'POST', body, duplex: 'half' })).status, 401)
  assert.equal(asked, 2)
})

test('who gives up does not wait for a token that does not come, and nothing is sent', async () => {
  const { audience } = await openKit()
  let asked = 0
  await using server = await listen((_request, response) => {
    asked++
    response.end()
  })
  const tokens = { take: () => new Promise<never>(() => undefined) }
  const call = createServiceFetch({ audience, tokens, origin: server.url })
  const giving = new AbortController()
  const refused = assert.rejects(call(server.url, { signal: giving.signal }), { name: 'AbortError' })
  giving.abort()
  await refused
  await assert.rejects(call(server.url, { signal: giving.signal }), { name: 'AbortError' })
  assert.equal(asked, 0)
})

test('one `fetch` calls several services: each gets tokens for itself, also by a redirect, and other origins get nothing', async () => {
  const [shop, stock] = [await openKit('issue', 'shop'), await openKit('issue', 'stock')]
  await using atStock = await listen((request, response) => {
    verified(stock.quantumIp, (_request, response) => response.end('stock'))(request, response)
  })
  await using atShop = await listen((request, response) => {
    verified(shop.quantumIp, (request, response) => {
      if (request.url === '/stock') response.writeHead(307, { location: atStock.url }).end()
      else response.end('shop')
    })(request, response)
  })
  await using other = await listen((request, response) => response.end(JSON.stringify(request.headers)))
  const services = { [atShop.url]: shop, [atStock.url]: stock }
  const call = createServiceFetch({ services })
  assert.equal(await (await call(atShop.url)).text(), 'shop')
  assert.equal(await (await call(atStock.url)).text(), 'stock')
  assert.equal(await (await call(`${atShop.url}/stock`)).text(), 'stock')
  assert.doesNotMatch(await (await call(other.url)).text(), /quantum-ip|qip=/)
  assert.deepEqual([shop.taken(), stock.taken()], [2, 2])
})

test('an origin is nothing more, and there once', async () => {
  const { audience, tokens } = await openKit()
  const [there, again] = ['https://shop.example.test', 'https://shop.example.test:443/']
  assert.throws(
    () => createServiceFetch({ services: { [`${there}/cart`]: { audience, tokens } } }),
    /more than an origin/,
  )
  const twice = { [there]: { audience, tokens }, [again]: { audience, tokens } }
  assert.throws(() => createServiceFetch({ services: twice }), /there twice/)
})
