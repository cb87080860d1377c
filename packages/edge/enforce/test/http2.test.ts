import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type Server, createServer } from 'node:http'
import {
  type ClientHttp2Session,
  type Http2SecureServer,
  type IncomingHttpHeaders,
  type OutgoingHttpHeaders,
  type ServerHttp2Stream,
  connect,
  createSecureServer,
  createServer as createHttp2Server,
} from 'node:http2'
import { request as httpsRequest } from 'node:https'
import type { AddressInfo, Server as NetServer } from 'node:net'
import { test } from 'node:test'
import { connect as tlsConnect } from 'node:tls'
import { makeCertificate } from './support/certificates.ts'
import { openRaw } from './support/raw.ts'
import { openTestRelay } from './support/relays.ts'

const certificate = makeCertificate('gateway')
const tls = { key: certificate.key, cert: certificate.cert }

interface Answer {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly interim: readonly IncomingHttpHeaders[]
  readonly trailers: IncomingHttpHeaders | undefined
  readonly body: string
}

async function ask(
  session: ClientHttp2Session,
  headers: OutgoingHttpHeaders,
  body?: string,
): Promise<Answer> {
  const stream = session.request({ ':path': '/', ...headers }, { endStream: body === undefined })
  const interim: IncomingHttpHeaders[] = []
  let trailers: IncomingHttpHeaders | undefined
  stream.on('headers', (each) => {
    interim.push(each)
  })
  stream.on('trailers', (each) => {
    trailers = each
  })
  if (body !== undefined) stream.end(body)
  const [answered] = (await once(stream, 'response')) as [IncomingHttpHeaders]
  const chunks = await stream.setEncoding('utf8').toArray()
  return { status: Number(answered[':status']), headers: answered, interim, trailers, body: chunks.join('') }
}

async function listening(server: NetServer): Promise<number> {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return (server.address() as AddressInfo).port
}

async function withHttp1Upstream(run: (url: string, server: Server) => Promise<void>): Promise<void> {
  const server = createServer((request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => {
      if (request.method === 'HEAD') {
        response.end()
        return
      }
      response.writeEarlyHints({ link: '</a.css>; rel=preload' })
      response.writeHead(200, [
        'Set-Cookie',
        'a=1',
        'Set-Cookie',
        'b=2',
        'Trailer',
        'x-sum',
        'Connection',
        'keep-alive',
      ])
      response.write(
        JSON.stringify({
          method: request.method,
          url: request.url,
          raw: request.rawHeaders,
          body: Buffer.concat(chunks).toString(),
        }),
      )
      response.addTrailers({ 'x-sum': '7' })
      response.end()
    })
  })
  const port = await listening(server)
  try {
    await run(`http://127.0.0.1:${port}`, server)
  } finally {
    server.closeAllConnections()
    server.close()
  }
}

for (const [title, listener, open] of [
  ['TLS and ALPN', { tls }, (port: number) => connect(`https://127.0.0.1:${port}`, { ca: certificate.cert })],
  ['prior knowledge without TLS', { http2: true }, (port: number) => connect(`http://127.0.0.1:${port}`)],
] as const) {
  test(`takes HTTP/2 by ${title}, with cookies, early hints, trailers and a body`, async () => {
    await withHttp1Upstream(async (url) => {
      await using relay = await openTestRelay(url, { listeners: [listener] })
      const session = open(relay.port)
      const answer = await ask(
        session,
        { ':method': 'POST', ':path': '/p?q=1', cookie: ['c=1', 'd=2'], 'x-a': '1' },
        'hello',
      )
      assert.equal(answer.status, 200)
      assert.deepEqual(answer.headers['set-cookie'], ['a=1', 'b=2'])
      assert.equal(answer.headers.connection, undefined)
      assert.equal(answer.interim[0]?.[':status'], 103)
      assert.equal(answer.trailers?.['x-sum'], '7')
      const seen = JSON.parse(answer.body) as { url: string; raw: string[]; body: string }
      assert.equal(seen.url, '/p?q=1')
      assert.equal(seen.body, 'hello')
      assert.equal(seen.raw[seen.raw.indexOf('cookie') + 1], 'c=1; d=2')
      assert.equal(seen.raw[seen.raw.indexOf('host') + 1], `127.0.0.1:${relay.port}`)
      assert.ok(!seen.raw.some((name) => name.startsWith(':')))
      session.close()
    })
  })
}

test('takes HTTP/1.1 on a TLS listener and beside h2c, with TLS 1.3 and a hybrid key agreement', async () => {
  await withHttp1Upstream(async (url) => {
    await using relay = await openTestRelay(url, { listeners: [{ tls }, { http2: true }] })
    const request = httpsRequest({ port: relay.port, host: '127.0.0.1', ca: certificate.cert, path: '/old' })
    request.end()
    const [response] = await once(request, 'response')
    assert.equal(response.statusCode, 200)
    assert.equal(response.httpVersion, '1.1')
    response.resume()
    const raw = await openRaw(relay.relay.addresses[1]!.port)
    raw.send('POST /raw HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\n\r\n')
    raw.send('hi')
    assert.match(await raw.until(/"body":"hi"/), /^HTTP\/1.1 103 /)
    raw.socket.destroy()
    const socket = tlsConnect({
      port: relay.port,
      host: '127.0.0.1',
      ca: certificate.cert,
      ecdhCurve: 'X25519MLKEM768',
    })
    await once(socket, 'secureConnect')
    assert.equal(socket.getProtocol(), 'TLSv1.3')
    socket.destroy()
  })
})

test('says 408 to a head that does not come over TLS', async () => {
  await withHttp1Upstream(async (url) => {
    await using relay = await openTestRelay(url, { listeners: [{ tls }], timeouts: { headMs: 300 } })
    const socket = tlsConnect({ port: relay.port, host: '127.0.0.1', ca: certificate.cert })
    await once(socket, 'secureConnect')
    socket.write('GET / HTTP/1.1\r\nhost:')
    const chunks = await socket.setEncoding('utf8').toArray()
    assert.match(chunks.join(''), /^HTTP\/1.1 408 /)
  })
})

test('refuses over HTTP/2 what is refused over HTTP/1.1', async () => {
  await withHttp1Upstream(async (url) => {
    await using relay = await openTestRelay(url, { listeners: [{ http2: true }] })
    const session = connect(`http://127.0.0.1:${relay.port}`)
    for (const [headers, status] of [
      [{ ':path': '/a/../b' }, 400],
      [{ ':path': '/a%2fb' }, 400],
      [{ ':authority': 'a:99999' }, 400],
      [{ ':authority': 'a', host: 'b' }, 400],
      [{ ':method': 'TRACE' }, 405],
      [{ 'x-http-method-override': 'DELETE' }, 400],
    ] as const) {
      const answer = await ask(session, headers).catch((cause: unknown) => {
        throw new Error(JSON.stringify(headers), { cause })
      })
      assert.equal(answer.status, status, JSON.stringify(headers))
      assert.equal(answer.headers['content-type'], 'application/problem+json')
    }
    session.close()
  })
})

test('answers HEAD over HTTP/2, refuses a head that is too large, and finishes what is in flight when it stops', async () => {
  await withHttp1Upstream(async (url) => {
    const arrived = Promise.withResolvers<void>()
    const answer = Promise.withResolvers<void>()
    const relay = await openTestRelay(url, {
      listeners: [{ http2: true }],
      timeouts: { stopMs: 1_000 },
      decide: async (request, upstream) => {
        if (request.path === '/slow') {
          arrived.resolve()
          await answer.promise
        }
        return { action: 'pass', upstream }
      },
    })
    const session = connect(`http://127.0.0.1:${relay.port}`)
    const head = await ask(session, { ':method': 'HEAD' })
    assert.equal(head.status, 200)
    assert.equal(head.body, '')
    await assert.rejects(ask(session, { 'x-big': 'x'.repeat(65_536) }))
    const slow = ask(session, { ':path': '/slow' })
    await arrived.promise
    const closing = relay.relay.close()
    answer.resolve()
    assert.equal((await slow).status, 200)
    await closing
    assert.ok(session.closed)
  })
})

test('speaks HTTP/2 to an upstream, bidirectionally, as gRPC needs', async () => {
  const upstream: Http2SecureServer = createSecureServer(tls)
  upstream.on('stream', (stream: ServerHttp2Stream, headers: IncomingHttpHeaders) => {
    stream.respond(
      { ':status': 200, 'content-type': 'application/grpc', 'x-te': String(headers['te']) },
      { waitForTrailers: true },
    )
    stream.on('wantTrailers', () => {
      stream.sendTrailers({ 'grpc-status': '0' })
    })
    stream.pipe(stream)
  })
  const port = await listening(upstream)
  await using relay = await openTestRelay(`https://localhost:${port}`, {
    listeners: [{ http2: true }],
    upstream: { http2: true, tls: { ca: certificate.cert } },
  })
  const session = connect(`http://127.0.0.1:${relay.port}`)
  const stream = session.request(
    { ':method': 'POST', ':path': '/g.S/M', te: 'trailers' },
    { endStream: false },
  )
  let trailers: IncomingHttpHeaders | undefined
  stream.on('trailers', (each) => {
    trailers = each
  })
  stream.write('one')
  const [headers] = (await once(stream, 'response')) as [IncomingHttpHeaders]
  assert.equal(headers['x-te'], 'trailers')
  const [first] = (await once(stream, 'data')) as [Buffer]
  assert.equal(first.toString(), 'one')
  stream.write('two')
  const [second] = (await once(stream, 'data')) as [Buffer]
  assert.equal(second.toString(), 'two')
  stream.end()
  stream.resume()
  await once(stream, 'close')
  assert.equal(trailers?.['grpc-status'], '0')
  session.close()
  upstream.close()
})

test('speaks HTTP/2 with prior knowledge to an upstream without TLS', async () => {
  const upstream = createHttp2Server((_, response) => {
    response.end('h2c')
  })
  const port = await listening(upstream)
  await using relay = await openTestRelay(`http://127.0.0.1:${port}`, { upstream: { http2: true } })
  const raw = await openRaw(relay.port)
  raw.send('GET / HTTP/1.1\r\nhost: a\r\n\r\n')
  await raw.until(/h2c/)
  raw.socket.destroy()
  await relay.relay.close()
  upstream.close()
})

test('resets the stream when the upstream dies in the body, and tells the upstream when the client resets', async () => {
  let gone: (() => void) | undefined
  const left = new Promise<void>((resolve) => {
    gone = resolve
  })
  const server = createServer((request, response) => {
    response.writeHead(200)
    response.write('part')
    if (request.url === '/die') setTimeout(() => response.destroy(), 30)
    else response.on('close', () => gone?.())
  })
  const port = await listening(server)
  await using relay = await openTestRelay(`http://127.0.0.1:${port}`, { listeners: [{ http2: true }] })
  const session = connect(`http://127.0.0.1:${relay.port}`)
  const dying = session.request({ ':path': '/die' })
  await assert.rejects(dying.toArray(), { code: 'ERR_HTTP2_STREAM_ERROR' })
  const leaving = session.request({ ':path': '/leave' })
  await once(leaving, 'data')
  leaving.close()
  await left
  session.close()
  server.closeAllConnections()
  server.close()
})

test('shows the guard the client certificate and its thumbprint, over both protocols', async () => {
  const client = makeCertificate('caller', 'spiffe://acme.example/ns/prod/sa/caller')
  await withHttp1Upstream(async (url) => {
    const seen: unknown[] = []
    await using relay = await openTestRelay(url, {
      listeners: [{ tls: { ...tls, ca: client.cert, clientCertificate: 'optional' } }],
      decide: (request) => {
        seen.push(request.certificate())
        return { action: 'answer', status: 204, fields: [], body: '' }
      },
    })
    const session = connect(`https://127.0.0.1:${relay.port}`, {
      ca: certificate.cert,
      cert: client.cert,
      key: client.key,
    })
    await ask(session, {})
    session.close()
    const request = httpsRequest({ port: relay.port, host: '127.0.0.1', ca: certificate.cert, agent: false })
    request.end()
    await once(request, 'response')
    assert.deepEqual(seen, [
      {
        thumbprint: client.thumbprint,
        authorized: true,
        commonName: 'caller',
        serviceId: 'spiffe://acme.example/ns/prod/sa/caller',
      },
      undefined,
    ])
  })
})
