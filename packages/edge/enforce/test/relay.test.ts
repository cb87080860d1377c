import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type IncomingMessage, type RequestOptions, createServer, request as httpRequest } from 'node:http'
import { type AddressInfo, connect } from 'node:net'
import type { Readable, Writable } from 'node:stream'
import { test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { type RequestHead, openRelay } from '../src/index.ts'
import { openRaw, openRawUpstream } from './support/raw.ts'
import { openTestRelay } from './support/relays.ts'

const ok = 'HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok'

async function seenBy(
  fields: string,
  options: Parameters<typeof openTestRelay>[1] = {},
): Promise<{ seen: string; head: RequestHead | undefined }> {
  await using server = await openRawUpstream()
  let head: RequestHead | undefined
  await using relay = await openTestRelay(server.url, {
    ...options,
    decide: (request, upstream) => {
      head = request
      return { action: 'pass', upstream, fields: ['quantum-ip-status', 'ours'] }
    },
  })
  const client = await openRaw(relay.port)
  client.send(`GET /a?b HTTP/1.1\r\nhost: shop.example:81\r\n${fields}\r\n`)
  const upstream = await server.next()
  const seen = await upstream.until(/\r\n\r\n/)
  upstream.send(ok)
  await client.until(/ok$/)
  client.socket.destroy()
  return { seen, head }
}

const reserved = ['quantum-ip', 'quantum-ip-status']

for (const spelling of [
  'Quantum-IP-Status: spoofed',
  'quantum_ip_status: spoofed',
  'QUANTUM-IP_STATUS: spoofed',
  'quantum.ip.status: spoofed',
  'Quantum-IP-Status: spoofed\r\nQuantum-IP-Status: spoofed',
  'Connection: quantum-ip-status\r\nQuantum-IP-Status: spoofed',
  'x-forwarded-for: spoofed',
  'X_Forwarded_For: spoofed',
  'x-original-url: /spoofed',
  'X-Rewrite-Url: /spoofed',
  'forwarded: for=spoofed',
  'content_length: 4spoofed',
  'transfer_encoding: spoofed',
]) {
  test(`drops \`${spelling.replaceAll('\r\n', ', ')}\``, async () => {
    const { seen } = await seenBy(`${spelling}\r\n`, { reserved })
    assert.doesNotMatch(seen, /spoofed/)
    assert.match(seen, /quantum-ip-status: ours\r\n/)
  })
}

test('shows reserved fields to the guard and to nobody else, one by one', async () => {
  const { seen, head } = await seenBy('Quantum-IP: one\r\nquantum-ip: two\r\nx-a: 1\r\n', { reserved })
  assert.deepEqual(head?.reserved, ['quantum-ip', 'one', 'quantum-ip', 'two'])
  assert.doesNotMatch(seen, /one|two/)
  assert.equal(head?.authority, 'shop.example:81')
  assert.equal(head?.host, 'shop.example')
  assert.equal(head?.port, 81)
  assert.equal(head?.target, '/a?b')
  assert.equal(head?.path, '/a')
  assert.equal(head?.query, '?b')
})

test('says where a request came from, and believes only trusted proxies', async () => {
  const sent =
    'x-forwarded-for: 10.0.0.1, 192.0.2.7\r\nx-forwarded-proto: https\r\nx-forwarded-host: outer\r\nx-real-ip: 10.0.0.1\r\n'
  const strict = await seenBy(sent)
  assert.match(
    strict.seen,
    /x-forwarded-for: 127\.0\.0\.1\r\nx-forwarded-proto: http\r\nx-forwarded-host: shop\.example:81\r\nvia: 1\.1 test-gateway\r\n/,
  )
  assert.doesNotMatch(strict.seen, /x-real-ip/)
  assert.equal(strict.head?.client, '127.0.0.1')
  const trusting = await seenBy(sent, { trustedProxies: ['127.0.0.0/8'] })
  assert.match(
    trusting.seen,
    /x-forwarded-for: 10\.0\.0\.1, 192\.0\.2\.7, 127\.0\.0\.1\r\nx-forwarded-proto: https\r\nx-forwarded-host: outer\r\n/,
  )
  assert.match(trusting.seen, /x-real-ip: 10\.0\.0\.1/)
  assert.equal(trusting.head?.client, '192.0.2.7')
  assert.equal(trusting.head?.scheme, 'https')
  assert.equal(strict.head?.scheme, 'http')
})

test('answers a request that runs in circles', async () => {
  let url = ''
  const server = createServer((_, response) => response.end())
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  await using relay = await openTestRelay('http://127.0.0.1:1', {
    decide: (_, upstream) => ({
      action: 'pass',
      upstream: url === '' ? upstream : (self ??= relay.relay.openUpstream({ url })),
    }),
  })
  let self: ReturnType<typeof relay.relay.openUpstream> | undefined
  url = `http://127.0.0.1:${relay.port}`
  const client = await openRaw(relay.port)
  client.send('GET / HTTP/1.1\r\nhost: a\r\n\r\n')
  assert.match(await client.until(/\}$/), /^HTTP\/1.1 508 [^]*"code":"loop"/)
  client.socket.destroy()
  server.close()
})

test('answers 500 and forwards nothing when the guard throws or rejects', async () => {
  await using server = await openRawUpstream()
  for (const decide of [
    () => {
      throw new Error('x')
    },
    () => Promise.reject(new Error('x')),
  ]) {
    await using relay = await openTestRelay(server.url, { decide })
    const client = await openRaw(relay.port)
    client.send('GET / HTTP/1.1\r\nhost: a\r\n\r\n')
    assert.match(await client.until(/\}$/), /^HTTP\/1.1 500 /)
    client.socket.destroy()
  }
  assert.equal(server.taken, 0)
})

test('gives the guard the body when it asks, and forwards it all the same', async () => {
  await using server = await openRawUpstream()
  const read: (string | undefined)[] = []
  await using relay = await openTestRelay(server.url, {
    decide: async (request, upstream) => {
      read.push((await request.body(8))?.toString())
      return { action: 'pass', upstream }
    },
  })
  const client = await openRaw(relay.port)
  const upstream = async (form: RegExp): Promise<void> => {
    const connection = await server.next()
    await connection.until(form)
    connection.send('HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok')
  }
  client.send('POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\n\r\nwhole')
  await upstream(/content-length: 5\r\n\r\nwhole$/)
  client.send('POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n5\r\nfirst\r\n')
  await delay(20)
  client.send('6\r\nsecond\r\n')
  await delay(20)
  client.send('5\r\nthird\r\n0\r\n\r\n')
  await upstream(/first[^]*second[^]*third\r\n0\r\n\r\n$/)
  client.send('POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 9\r\n\r\ntoo large')
  await upstream(/too large$/)
  assert.deepEqual(read, ['whole', undefined, undefined])
  client.socket.destroy()
})

test('tries a safe request once more when the upstream closed the idle connection, and no other', async () => {
  await using server = await openRawUpstream()
  await using relay = await openTestRelay(server.url)
  const client = await openRaw(relay.port)
  client.send('GET /1 HTTP/1.1\r\nhost: a\r\n\r\n')
  const first = await server.next()
  await first.until(/\r\n\r\n/)
  first.socket.resetAndDestroy()
  const second = await server.next()
  await second.until(/^GET \/1/)
  second.send(ok)
  await client.until(/ok$/)
  client.send('POST /2 HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\n\r\n')
  const third = await server.next()
  await third.until(/POST \/2[^]*\r\n\r\n/)
  third.socket.resetAndDestroy()
  await client.until(/HTTP\/1.1 502 [^]*"code":"upstream_failed"/)
  assert.equal(server.taken, 3)
  client.socket.destroy()
})

test('sheds what is over its limits with 503 and a Retry-After that varies', async () => {
  await using server = await openRawUpstream()
  await using relay = await openTestRelay(server.url, {
    upstream: { requestsMax: 1 },
    limits: { inFlightMax: 2 },
  })
  const [one, two, three] = [await openRaw(relay.port), await openRaw(relay.port), await openRaw(relay.port)]
  one.send('GET / HTTP/1.1\r\nhost: a\r\n\r\n')
  const upstream = await server.next()
  two.send('GET / HTTP/1.1\r\nhost: a\r\n\r\n')
  assert.match(await two.until(/\}$/), /^HTTP\/1.1 503 [^]*retry-after: [1-5]\r\n[^]*upstream_saturated/)
  await upstream.until(/\r\n\r\n/)
  upstream.send(ok)
  await one.until(/ok$/)
  assert.equal(relay.upstream.inFlight, 0)
  for (const each of [one, two]) each.send('GET / HTTP/1.1\r\nhost: a\r\n\r\n')
  await two.until(/\}[^]*\}$/)
  for (const each of [one, two, three]) each.socket.destroy()
})

test('refuses a body that is announced or turns out too large', async () => {
  await using server = await openRawUpstream()
  await using relay = await openTestRelay(server.url, { limits: { bodyBytesMax: 10 } })
  const announced = await openRaw(relay.port)
  announced.send('POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 11\r\n\r\n')
  assert.match(await announced.until(/\r\n\r\n/), /^HTTP\/1.1 413 /)
  const growing = await openRaw(relay.port)
  growing.send('POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n6\r\nabcdef\r\n')
  const upstream = await server.next()
  await upstream.until(/abcdef/)
  growing.send('6\r\nghijkl\r\n')
  assert.match(await growing.until(/\r\n\r\n/), /^HTTP\/1.1 413 /)
  assert.doesNotMatch(await upstream.closed(), /\r\n0\r\n/)
  growing.socket.destroy()
})

test('says 408 to a body that stops, and cuts a client that does not take the answer', async () => {
  await using server = await openRawUpstream()
  const cuts: string[] = []
  await using relay = await openTestRelay(server.url, {
    timeouts: { idleMs: 150 },
    observer: { cut: (cause) => void cuts.push(cause) },
  })
  const slow = await openRaw(relay.port)
  slow.send('POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 10\r\n\r\nab')
  const upstream = await server.next()
  await upstream.until(/ab$/)
  assert.match(await slow.closed(1_500), /^HTTP\/1.1 408 /)
  await upstream.closed()
  const deaf = connect({ port: relay.port, host: '127.0.0.1' })
  deaf.on('error', () => {})
  deaf.pause()
  deaf.write('GET / HTTP/1.1\r\nhost: a\r\n\r\n')
  const flooding = await server.next()
  flooding.send('HTTP/1.1 200 OK\r\n\r\n')
  flooding.send('x'.repeat(30_000_000))
  await flooding.closed(3_000)
  assert.deepEqual(cuts, ['client_idle'])
  deaf.destroy()
})

test('does not take waiting for a slow upstream for an idle client', async () => {
  await using server = await openRawUpstream()
  await using relay = await openTestRelay(server.url, { timeouts: { idleMs: 60 } })
  const client = await openRaw(relay.port)
  client.send('POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\n\r\nab')
  const upstream = await server.next()
  await delay(300)
  upstream.send(ok)
  await client.until(/ok$/)
  client.socket.destroy()
})

test('outlives clients that leave in the middle of an upload that has failed, or is about to', async () => {
  const gone = await openRawUpstream()
  await gone[Symbol.asyncDispose]()
  await using relay = await openTestRelay(gone.url)
  for (let delayMs = 0; delayMs < 8; delayMs++) {
    const client = await openRaw(relay.port)
    client.send('POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 100\r\n\r\nab')
    await delay(delayMs)
    client.socket.resetAndDestroy()
  }
  await delay(30)
  const client = await openRaw(relay.port)
  client.send('GET / HTTP/1.1\r\nhost: a\r\n\r\n')
  await client.until(/^HTTP\/1.1 502 /)
  client.socket.destroy()
  assert.equal(relay.upstream.inFlight, 0)
})

test('cuts both sides of a request when its token ends or its subject is revoked', async () => {
  await using server = await openRawUpstream()
  await using relay = await openTestRelay(server.url, {
    timeouts: { sweepMs: 20 },
    decide: (request, upstream) => ({
      action: 'pass',
      upstream,
      terms: request.path === '/ends' ? { endsAtMs: Date.now() + 100 } : { subject: request.path },
    }),
  })
  for (const [path, end] of [
    ['/ends', () => undefined],
    ['/revoked', () => relay.relay.cutStreams((subject) => subject === '/revoked')],
  ] as const) {
    const client = await openRaw(relay.port)
    const spared = await openRaw(relay.port)
    client.send(`GET ${path} HTTP/1.1\r\nhost: a\r\n\r\n`)
    const upstream = await server.next()
    spared.send('GET /spared HTTP/1.1\r\nhost: a\r\n\r\n')
    const other = await server.next()
    upstream.send('HTTP/1.1 200 OK\r\n\r\nstream')
    other.send('HTTP/1.1 200 OK\r\n\r\nstream')
    await client.until(/stream/)
    await spared.until(/stream/)
    end()
    await client.closed(2_500)
    await upstream.closed()
    assert.equal(spared.socket.readableEnded, false)
    spared.socket.destroy()
  }
})

test('releases what the guard holds exactly once, however the request ends', async () => {
  await using server = await openRawUpstream()
  let released = 0
  await using relay = await openTestRelay(server.url, {
    decide: (_, upstream) => ({
      action: 'pass',
      upstream,
      release: () => {
        released++
      },
    }),
  })
  const finished = await openRaw(relay.port)
  finished.send('GET / HTTP/1.1\r\nhost: a\r\n\r\n')
  const upstream = await server.next()
  await upstream.until(/\r\n\r\n/)
  upstream.send(ok)
  await finished.until(/ok$/)
  const left = await openRaw(relay.port)
  left.send('GET /left HTTP/1.1\r\nhost: a\r\n\r\n')
  await upstream.until(/GET \/left/)
  left.socket.destroy()
  await upstream.closed()
  await delay(20)
  assert.equal(released, 2)
  assert.equal(relay.relay.inFlight, 0)
  finished.socket.destroy()
})

test('stops gracefully: finishes what is in flight, closes idle connections, cuts what is left', async () => {
  await using server = await openRawUpstream()
  const relay = await openTestRelay(server.url, { timeouts: { stopMs: 400 } })
  const idle = await openRaw(relay.port)
  idle.send('GET / HTTP/1.1\r\nhost: a\r\n\r\n')
  const first = await server.next()
  await first.until(/\r\n\r\n/)
  first.send(ok)
  await idle.until(/ok$/)
  const tunnel = await openRaw(relay.port)
  tunnel.send('GET / HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n')
  const tunnelled = await server.next()
  await tunnelled.until(/\r\n\r\n/)
  tunnelled.send('HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n')
  await tunnel.until(/\r\n\r\n/)
  const busy = await openRaw(relay.port)
  busy.send('GET /busy HTTP/1.1\r\nhost: a\r\n\r\n')
  await first.until(/GET \/busy/)
  const closing = relay.relay.close()
  await idle.closed(300)
  await assert.rejects(openRaw(relay.port))
  first.send(ok)
  assert.match(await busy.closed(300), /connection: close[^]*ok$/i)
  assert.equal(tunnel.socket.readableEnded, false)
  await closing
  await tunnel.closed(500)
  await tunnelled.closed(500)
})

test('refuses options that cannot be meant', async () => {
  const base = {
    name: 'g',
    listeners: [{}],
    guard: () => ({ action: 'answer', status: 204, fields: [], body: '' }) as const,
  }
  await assert.rejects(openRelay({ ...base, name: 'two words' }), { code: 'QIP_ENFORCE_OPTION_INVALID' })
  await assert.rejects(openRelay({ ...base, timeouts: { headMs: -1 } }), {
    code: 'QIP_ENFORCE_OPTION_INVALID',
  })
  await assert.rejects(openRelay({ ...base, trustedProxies: ['10.0.0.0/33'] }), {
    code: 'QIP_ENFORCE_OPTION_INVALID',
  })
  await using relay = await openRelay(base)
  const { port } = relay.addresses[0]!
  await assert.rejects(openRelay({ ...base, listeners: [{}, { port }] }), {
    code: 'QIP_ENFORCE_LISTEN_FAILED',
  })
  for (const url of ['ftp://a', 'http://a/path', 'http://user:secret@a', 'nonsense', 'unix:relative']) {
    assert.throws(
      () => relay.openUpstream({ url }),
      (error: { code: string; message: string }) =>
        error.code === 'QIP_ENFORCE_UPSTREAM_INVALID' && !error.message.includes('secret'),
    )
  }
})

test('listens on and forwards to Unix sockets', async () => {
  const path = `/tmp/qip-relay-${process.pid}.sock`
  const server = createServer((request, response) => response.end(String(request.headers['x-forwarded-for'])))
  server.listen(`${path}.up`)
  await once(server, 'listening')
  await using relay = await openTestRelay(`unix:${path}.up`, { listeners: [{ path }] })
  const options: RequestOptions = { socketPath: path, path: '/', agent: false }
  const request = httpRequest(options).end()
  const [response] = await once(request, 'response')
  const chunks = await response.setEncoding('utf8').toArray()
  assert.equal(chunks.join(''), 'unix')
  assert.equal(relay.relay.addresses[0]!.host, path)
  server.close()
})

// A body of 200 MB, of which the last one in line takes nothing for a while: what is held by then is all
// that ever will be, in the buffers of client, relay and upstream together, which share this process.
for (const direction of ['down', 'up'] as const) {
  test(`holds a few megabytes at most of a 200 MB body that goes ${direction} and is not taken`, async () => {
    const total = 200_000_000
    let received = 0
    let resume: (() => void) | undefined
    const take = (stream: Readable): void => {
      stream.on('data', (bytes: Buffer) => {
        received += bytes.length
      })
      stream.pause()
      resume = () => stream.resume()
    }
    const server = createServer((request, response) => {
      if (direction === 'down') {
        pour(response, total)
        return
      }
      take(request)
      request.on('end', () => response.end('done'))
    })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    await using relay = await openTestRelay(`http://127.0.0.1:${(server.address() as AddressInfo).port}`)
    const request = httpRequest({
      port: relay.port,
      host: '127.0.0.1',
      method: direction === 'up' ? 'PUT' : 'GET',
      agent: false,
    })
    try {
      const before = heldBytes()
      if (direction === 'up') pour(request, total)
      else request.end()
      const answered = once(request, 'response') as Promise<[IncomingMessage]>
      if (direction === 'down') take((await answered)[0])
      await delay(400)
      const held = heldBytes() - before
      assert.ok(held < 10_000_000, `${Math.round(held / 1e6)} MB`)
      resume?.()
      const [response] = await answered
      if (direction === 'up') response.resume()
      await once(response, 'end')
      assert.equal(received, total)
    } finally {
      request.destroy()
      server.closeAllConnections()
      server.close()
    }
  })
}

function pour(into: Writable, total: number): void {
  const chunk = Buffer.alloc(1_000_000, 1)
  let sent = 0
  const more = (): void => {
    while (sent < total) {
      sent += chunk.length
      if (!into.write(chunk)) {
        into.once('drain', more)
        return
      }
    }
    into.end()
  }
  more()
}

setFlagsFromString('--expose-gc')
const collectGarbage = runInNewContext('gc') as () => void

function heldBytes(): number {
  collectGarbage()
  const { arrayBuffers, heapUsed } = process.memoryUsage()
  return arrayBuffers + heapUsed
}
