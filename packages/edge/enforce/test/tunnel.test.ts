import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type AddressInfo } from 'node:net'
import { test } from 'node:test'
import { createServer as createHttpsServer } from 'node:https'
import { WebSocket, WebSocketServer } from 'ws'
import { makeCertificate } from './support/certificates.ts'
import { openRaw, openRawUpstream } from './support/raw.ts'
import { openTestRelay } from './support/relays.ts'

const upgrade =
  'GET /ws HTTP/1.1\r\nhost: a\r\nconnection: Upgrade\r\nupgrade: websocket\r\nsec-websocket-key: x\r\nsec-websocket-version: 13\r\n\r\n'
const switching = 'HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: Upgrade\r\n\r\n'

async function openEcho(): Promise<{ url: string; server: WebSocketServer } & AsyncDisposable> {
  const server = new WebSocketServer({ port: 0, host: '127.0.0.1' })
  server.on('connection', (socket, request) => {
    socket.send(JSON.stringify(request.rawHeaders))
    socket.on('message', (data, binary) => {
      socket.send(data, { binary })
    })
  })
  await once(server, 'listening')
  return {
    server,
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async [Symbol.asyncDispose]() {
      for (const socket of server.clients) socket.terminate()
      await new Promise((resolve) => {
        server.close(resolve)
      })
    },
  }
}

test('carries WebSocket messages of a real client and server, in both directions and of any size', async () => {
  await using echo = await openEcho()
  await using relay = await openTestRelay(echo.url)
  const socket = new WebSocket(`ws://127.0.0.1:${relay.port}/chat`)
  const [hello] = (await once(socket, 'message')) as [Buffer]
  const raw = JSON.parse(hello.toString()) as string[]
  assert.equal(raw[raw.indexOf('x-forwarded-for') + 1], '127.0.0.1')
  const large = Buffer.alloc(3_000_000, 7)
  socket.send(large)
  const [back] = (await once(socket, 'message')) as [Buffer]
  assert.ok(back.equals(large))
  socket.close(4_001, 'bye')
  const [code] = (await once(socket, 'close')) as [number]
  assert.equal(code, 4_001)
})

test('carries WebSocket over TLS on both sides', async () => {
  const certificate = makeCertificate('both')
  const https = createHttpsServer({ key: certificate.key, cert: certificate.cert })
  const server = new WebSocketServer({ server: https })
  server.on('connection', (socket) => {
    socket.send('secure')
  })
  https.listen(0, '127.0.0.1')
  await once(https, 'listening')
  const url = `https://localhost:${(https.address() as AddressInfo).port}`
  await using relay = await openTestRelay(url, {
    listeners: [{ tls: { key: certificate.key, cert: certificate.cert } }],
    upstream: { tls: { ca: certificate.cert } },
  })
  const socket = new WebSocket(`wss://localhost:${relay.port}/`, { ca: certificate.cert })
  const [message] = (await once(socket, 'message')) as [Buffer]
  assert.equal(message.toString(), 'secure')
  socket.terminate()
  https.closeAllConnections()
  https.close()
})

test('lets one side of a tunnel end before the other', async () => {
  await using server = await openRawUpstream()
  await using relay = await openTestRelay(server.url)
  const client = await openRaw(relay.port, true)
  client.send(upgrade)
  const upstream = await server.next()
  upstream.socket.on('half', () => {})
  await upstream.until(/\r\n\r\n/)
  upstream.send(switching)
  await client.until(/\r\n\r\n/)
  client.send('last')
  client.socket.end()
  await upstream.until(/last$/)
  await once(upstream.socket, 'end')
  upstream.send('still here')
  await client.until(/still here$/)
  upstream.socket.end()
  await client.closed()
})

test('relays the answer of an upstream that does not upgrade', async () => {
  await using server = await openRawUpstream()
  await using relay = await openTestRelay(server.url)
  const client = await openRaw(relay.port)
  client.send(upgrade)
  const upstream = await server.next()
  await upstream.until(/\r\n\r\n/)
  upstream.send('HTTP/1.1 426 Upgrade Required\r\nx-why: old\r\ncontent-length: 3\r\n\r\nold')
  assert.match(await client.closed(), /^HTTP\/1.1 426 Upgrade Required\r\nx-why: old\r\n[^]*\r\n\r\nold$/)
})

test('answers a refused upgrade like any request, and asks the guard about it', async () => {
  await using server = await openRawUpstream()
  let asked: string | undefined
  await using relay = await openTestRelay(server.url, {
    decide: (request) => {
      asked = request.upgrade
      return { action: 'answer', status: 401, fields: ['www-authenticate', 'Quantum-IP'], body: 'no' }
    },
  })
  const client = await openRaw(relay.port)
  client.send(upgrade)
  assert.match(await client.closed(), /^HTTP\/1.1 401 [^]*www-authenticate: Quantum-IP\r\n[^]*no$/)
  assert.equal(asked, 'websocket')
  assert.equal(server.taken, 0)
})

test('takes an upgrade with a body, or to a protocol that is not allowed, as an ordinary request', async () => {
  for (const request of [
    upgrade.replace('sec-websocket-key', 'content-length: 4\r\nsec-websocket-key').concat('body'),
    upgrade.replace('upgrade: websocket', 'upgrade: h2c'),
    upgrade.replace('GET', 'POST'),
  ]) {
    await using server = await openRawUpstream()
    await using relay = await openTestRelay(server.url)
    const client = await openRaw(relay.port)
    client.send(request)
    const upstream = await server.next()
    assert.doesNotMatch(await upstream.until(/\r\n\r\n/), /^upgrade:|connection: upgrade/im)
    upstream.send('HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok')
    await client.until(/ok$/)
    client.socket.destroy()
  }
})

test('cuts the client when the upstream breaks off, and the upstream when the client does', async () => {
  await using server = await openRawUpstream()
  await using relay = await openTestRelay(server.url)
  for (const side of ['upstream', 'client'] as const) {
    const client = await openRaw(relay.port)
    client.send(upgrade)
    const upstream = await server.next()
    await upstream.until(/\r\n\r\n/)
    upstream.send(switching)
    await client.until(/\r\n\r\n/)
    const [breaking, other] = side === 'upstream' ? [upstream, client] : [client, upstream]
    breaking.socket.resetAndDestroy()
    await other.closed()
  }
  assert.equal(relay.upstream.inFlight, 0)
})

test('cuts a tunnel on which nothing moves, and one whose upstream takes too long to say yes', async () => {
  await using server = await openRawUpstream()
  await using relay = await openTestRelay(server.url, { timeouts: { tunnelIdleMs: 150, responseMs: 150 } })
  const idle = await openRaw(relay.port)
  idle.send(upgrade)
  const upstream = await server.next()
  upstream.send(switching)
  await idle.until(/\r\n\r\n/)
  await idle.closed(1_500)
  const waiting = await openRaw(relay.port)
  waiting.send(upgrade)
  assert.match(await waiting.closed(1_500), /^HTTP\/1.1 504 /)
})

test('cuts both sides of a tunnel when what it stands on is revoked, and releases it', async () => {
  await using server = await openRawUpstream()
  let released = 0
  await using relay = await openTestRelay(server.url, {
    decide: (_, target) => ({
      action: 'pass',
      upstream: target,
      terms: { subject: 'revoked' },
      release: () => {
        released++
      },
    }),
  })
  const client = await openRaw(relay.port)
  client.send(upgrade)
  const upstream = await server.next()
  await upstream.until(/\r\n\r\n/)
  upstream.send(switching)
  await client.until(/\r\n\r\n/)
  assert.equal(
    relay.relay.cutStreams((subject) => subject === 'other'),
    0,
  )
  assert.equal(
    relay.relay.cutStreams((subject) => subject === 'revoked'),
    1,
  )
  await client.closed()
  await upstream.closed()
  assert.equal(released, 1)
  assert.equal(relay.upstream.inFlight, 0)
})
