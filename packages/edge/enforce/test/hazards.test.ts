import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type RawConnection, type RawUpstream, openRaw, openRawUpstream } from './support/raw.ts'
import { type TestRelay, type TestRelayOptions, openTestRelay } from './support/relays.ts'

// What forwarding proxies are known to get wrong, one row each, over raw sockets on both sides so that
// no client or server library smooths anything over.

interface Scene extends TestRelay {
  readonly client: RawConnection
  readonly server: RawUpstream
}

interface Hazard {
  readonly title: string
  readonly options?: TestRelayOptions
  readonly run: (scene: Scene) => Promise<void>
}

const ok = 'HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok'

async function exchange(
  scene: Scene,
  request: string,
  response: string,
): Promise<{ seen: string; got: string }> {
  scene.client.send(request)
  const upstream = await scene.server.next()
  const seen = await upstream.until(/\r\n\r\n/)
  upstream.send(response)
  const got = await scene.client.until(/\r\n\r\n/)
  return { seen, got }
}

async function refused(scene: Scene, request: string, status: RegExp): Promise<void> {
  scene.client.send(request)
  const got = await scene.client.until(/\r\n\r\n/)
  assert.match(got, status)
  assert.match(got, /connection: close/i)
  await scene.client.closed()
  assert.equal(scene.server.taken, 0)
}

const hazards: readonly Hazard[] = [
  {
    title: '1 drops request fields that Connection names',
    async run(scene) {
      const request =
        'GET / HTTP/1.1\r\nhost: a\r\nConnection: X-Secret, x-other\r\nX-Secret: 1\r\nx-other: 2\r\nx-kept: 3\r\n\r\n'
      const { seen } = await exchange(scene, request, ok)
      assert.doesNotMatch(seen, /x-secret|x-other/i)
      assert.match(seen, /x-kept: 3/)
    },
  },
  {
    title: '2 drops response fields that Connection names',
    async run(scene) {
      const response =
        'HTTP/1.1 200 OK\r\nConnection: x-private, keep-alive\r\nX-Private: 1\r\nx-kept: 3\r\ncontent-length: 0\r\n\r\n'
      const { got } = await exchange(scene, 'GET / HTTP/1.1\r\nhost: a\r\n\r\n', response)
      assert.doesNotMatch(got, /x-private/i)
      assert.match(got, /x-kept: 3/)
    },
  },
  {
    title: '3 drops keep-alive, proxy-authorization, te and upgrade of a request that is no upgrade',
    async run(scene) {
      const request =
        'GET / HTTP/1.1\r\nhost: a\r\nkeep-alive: timeout=9\r\nproxy-authorization: Basic eDp5\r\nproxy-connection: close\r\nte: trailers\r\nupgrade: h2c\r\nconnection: upgrade, http2-settings\r\nhttp2-settings: AAMAAABk\r\n\r\n'
      const { seen } = await exchange(scene, request, ok)
      assert.doesNotMatch(seen, /timeout=9|proxy-|^te:|upgrade|http2-settings/im)
    },
  },
  {
    title: '4 forwards response trailers, and not those that would change the message',
    async run(scene) {
      const response =
        'HTTP/1.1 200 OK\r\ntrailer: grpc-status\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\ngrpc-status: 0\r\nset-cookie: a=1\r\n\r\n'
      const { got } = await exchange(
        scene,
        'POST /g HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\nte: trailers\r\n\r\n',
        response,
      )
      assert.match(got, /trailer: grpc-status/)
      const whole = await scene.client.until(/0\r\ngrpc-status: 0\r\n\r\n$/)
      assert.doesNotMatch(whole, /set-cookie/i)
    },
  },
  {
    title: '5 cuts the client when the upstream dies in the body, so that a part is not taken for the whole',
    async run(scene) {
      scene.client.send('GET / HTTP/1.1\r\nhost: a\r\n\r\n')
      const upstream = await scene.server.next()
      upstream.send('HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\npart\r\n')
      await scene.client.until(/part/)
      upstream.socket.resetAndDestroy()
      const got = await scene.client.closed(1_500)
      assert.doesNotMatch(got, /\r\n0\r\n/)
    },
  },
  {
    title: '6 tells the upstream when the client leaves while it waits',
    async run(scene) {
      scene.client.send('GET /slow HTTP/1.1\r\nhost: a\r\n\r\n')
      const upstream = await scene.server.next()
      await upstream.until(/\r\n\r\n/)
      scene.client.socket.destroy()
      await upstream.closed(1_500)
    },
  },
  {
    title: '7 tells the upstream when the client leaves in the middle of its body',
    async run(scene) {
      scene.client.send('POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 100\r\n\r\nhalf')
      const upstream = await scene.server.next()
      await upstream.until(/half/)
      scene.client.socket.destroy()
      await upstream.closed(1_500)
    },
  },
  {
    title: '8 upgrades to WebSocket and delivers bytes that came with the request',
    async run(scene) {
      scene.client.send(
        'GET /ws HTTP/1.1\r\nhost: a\r\nconnection: Upgrade\r\nupgrade: websocket\r\nsec-websocket-key: x\r\nsec-websocket-version: 13\r\n\r\nEARLY',
      )
      const upstream = await scene.server.next()
      const seen = await upstream.until(/\r\n\r\n/)
      assert.match(seen, /upgrade: websocket/i)
      assert.match(seen, /connection: upgrade/i)
      assert.match(seen, /sec-websocket-key: x/)
      upstream.send(
        'HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: Upgrade\r\nsec-websocket-accept: y\r\n\r\nHELLO',
      )
      assert.match(await scene.client.until(/HELLO/), /^HTTP\/1.1 101 [^]*sec-websocket-accept: y/)
      await upstream.until(/EARLY/)
      scene.client.send('more')
      await upstream.until(/EARLYmore/)
    },
  },
  {
    title:
      '9 asks for the body of a request with Expect: 100-continue once the upstream is there, and forwards it',
    async run(scene) {
      scene.client.send('POST / HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\ncontent-length: 4\r\n\r\n')
      await scene.client.until(/^HTTP\/1.1 100 Continue\r\n\r\n/)
      scene.client.send('body')
      const upstream = await scene.server.next()
      const seen = await upstream.until(/body$/)
      assert.doesNotMatch(seen, /expect/i)
      upstream.send(ok)
      await scene.client.until(/HTTP\/1.1 200 OK[^]*ok$/)
    },
  },
  {
    title: '10 does not ask for the body of a request that is refused, and closes',
    options: { decide: () => ({ action: 'answer', status: 403, fields: [], body: 'no' }) },
    async run(scene) {
      scene.client.send('POST / HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\ncontent-length: 4\r\n\r\n')
      const got = await scene.client.until(/\r\n\r\nno/)
      assert.match(got, /^HTTP\/1.1 403 /)
      await scene.client.closed()
      assert.equal(scene.server.taken, 0)
    },
  },
  {
    title: '11 forwards a GET with a body',
    async run(scene) {
      scene.client.send('GET /search HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\n\r\nquery')
      const upstream = await scene.server.next()
      assert.match(await upstream.until(/query$/), /^GET \/search HTTP\/1.1\r\n[^]*content-length: 5/)
      upstream.send(ok)
      await scene.client.until(/ok$/)
    },
  },
  {
    title: '12 forwards 103 early hints before the answer, and 1xx to no HTTP/1.0 client',
    async run(scene) {
      scene.client.send('GET / HTTP/1.1\r\nhost: a\r\n\r\n')
      const upstream = await scene.server.next()
      await upstream.until(/\r\n\r\n/)
      upstream.send(
        'HTTP/1.1 103 Early Hints\r\nlink: </a.css>; rel=preload\r\nlink: </b.js>; rel=preload\r\n\r\n',
      )
      await scene.client.until(
        /^HTTP\/1.1 103 Early Hints\r\nlink: <\/a.css>; rel=preload\r\nlink: <\/b.js>; rel=preload\r\n\r\n$/,
      )
      upstream.send(ok)
      await scene.client.until(/HTTP\/1.1 200 OK[^]*ok$/)
      const old = await openRaw(scene.port)
      old.send('GET / HTTP/1.0\r\nhost: a\r\n\r\n')
      await upstream.until(/\r\n\r\n[^]*\r\n\r\n/)
      upstream.send(`HTTP/1.1 103 Early Hints\r\nlink: </a.css>\r\n\r\n${ok}`)
      assert.match(await old.closed(), /^HTTP\/1.1 200 OK/)
    },
  },
  {
    title: '13 forwards a body in chunks and drops its trailers, whatever they are called',
    async run(scene) {
      scene.client.send(
        'POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\ntrailer: quantum-ip-status\r\n\r\n3\r\nabc\r\n',
      )
      const upstream = await scene.server.next()
      await upstream.until(/abc/)
      scene.client.send('3\r\ndef\r\n0\r\nquantum-ip-status: verified\r\n\r\n')
      const seen = await upstream.until(/def[^]*\r\n0\r\n\r\n$/)
      assert.doesNotMatch(seen, /quantum/i)
    },
  },
  {
    title: '14 keeps the order, the case and the repetitions of fields, and their bytes',
    async run(scene) {
      const response =
        'HTTP/1.1 200 Fine\r\nSet-Cookie: a=1\r\nX-One: \xe4\r\nset-cookie: b=2\r\nx-one: 2\r\ncontent-length: 0\r\n\r\n'
      const request =
        'GET / HTTP/1.1\r\nhost: a\r\nX-B: 1\r\nx-a: \xfc\r\nx-b: 2\r\nCookie: c=1\r\nCookie: d=2\r\n\r\n'
      const { seen, got } = await exchange(scene, request, response)
      assert.match(seen, /X-B: 1\r\nx-a: \xfc\r\nx-b: 2\r\nCookie: c=1; d=2\r\n/)
      assert.match(
        got,
        /^HTTP\/1.1 200 Fine\r\nSet-Cookie: a=1\r\nX-One: \xe4\r\nset-cookie: b=2\r\nx-one: 2\r\n/,
      )
    },
  },
  {
    title: '15 answers HEAD with the length and no body, and 204 and 304 with no body',
    async run(scene) {
      for (const [line, response] of [
        ['HEAD', 'HTTP/1.1 200 OK\r\ncontent-length: 1234\r\n\r\n'],
        ['GET', 'HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n'],
        ['GET', 'HTTP/1.1 304 Not Modified\r\netag: "1"\r\n\r\n'],
      ] as const) {
        const client = await openRaw(scene.port)
        const { got } = await exchange(
          { ...scene, client },
          `${line} / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n`,
          response,
        )
        assert.doesNotMatch(got, /transfer-encoding/i)
        if (line === 'HEAD') assert.match(got, /content-length: 1234/)
        assert.match(await client.closed(), /\r\n\r\n$/)
      }
    },
  },
  {
    title: '16 delivers an answer that comes before the body has been sent',
    async run(scene) {
      scene.client.send('POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 1000\r\n\r\nstart')
      const upstream = await scene.server.next()
      await upstream.until(/start/)
      upstream.send('HTTP/1.1 413 Too Large\r\ncontent-length: 4\r\n\r\nstop')
      assert.match(await scene.client.until(/stop$/), /^HTTP\/1.1 413 Too Large/)
      // The rest of the body is read and forgotten; the connection goes on behind it.
      scene.client.send('x'.repeat(995))
      scene.client.send('GET /next HTTP/1.1\r\nhost: a\r\n\r\n')
      const second = await scene.server.next()
      await second.until(/^GET \/next/)
      second.send(ok)
      await scene.client.until(/ok$/)
    },
  },
  {
    title: '17 refuses a request with a content length and a transfer coding',
    run: (scene) =>
      refused(
        scene,
        'POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 4\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n',
        /^HTTP\/1.1 400 /,
      ),
  },
  {
    title: '18 refuses two content lengths, also in one field',
    async run(scene) {
      await refused(
        scene,
        'POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 4\r\ncontent-length: 5\r\n\r\nabcd',
        /^HTTP\/1.1 400 /,
      )
      for (const length of ['4, 4', '+4', '4 4', '0x4', '-1', '4;', '']) {
        const client = await openRaw(scene.port)
        const request = `POST / HTTP/1.1\r\nhost: a\r\ncontent-length: ${length}\r\n\r\nabcd`
        await refused({ ...scene, client }, request, /^HTTP\/1.1 400 /)
      }
    },
  },
  {
    title:
      '19 refuses folded fields, bare line feeds, spaces before a colon and transfer codings that are no chunks',
    async run(scene) {
      for (const [request, status] of [
        ['GET / HTTP/1.1\r\nhost: a\r\nx-a: 1\r\n folded\r\n\r\n', /^HTTP\/1.1 400 /],
        ['GET / HTTP/1.1\r\nhost: a\r\nx-a : 1\r\n\r\n', /^HTTP\/1.1 400 /],
        ['GET / HTTP/1.1\nhost: a\n\n', /^HTTP\/1.1 400 /],
        ['GET / HTTP/1.1\r\nhost: a\r\nx-a: 1\rx-b: 2\r\n\r\n', /^HTTP\/1.1 400 /],
        ['GET / HTTP/1.1\r\nhost: a\r\nx-a: 1\x00\r\n\r\n', /^HTTP\/1.1 400 /],
        [
          'POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: gzip, chunked\r\n\r\n0\r\n\r\n',
          /^HTTP\/1.1 501 /,
        ],
        ['POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: identity\r\n\r\n', /^HTTP\/1.1 (?:400|501) /],
        [
          'POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\ntransfer-encoding: identity\r\n\r\n0\r\n\r\n',
          /^HTTP\/1.1 (?:400|501) /,
        ],
        [
          'POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: \x0bchunked\r\n\r\n0\r\n\r\n',
          /^HTTP\/1.1 (?:400|501) /,
        ],
        ['POST / HTTP/1.0\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n', /^HTTP\/1.1 400 /],
      ] as const) {
        const client = await openRaw(scene.port)
        await refused({ ...scene, client }, request, status).catch((error: unknown) => {
          throw new Error(`for ${JSON.stringify(request)}`, { cause: error })
        })
      }
      // Behind a good head the upstream may have been called already; it must not take the body for whole.
      scene.client.send(
        'POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n-1\r\n\r\n',
      )
      const upstream = await scene.server.next()
      assert.match(await scene.client.closed(), /^HTTP\/1.1 400 [^]*connection: close/)
      assert.doesNotMatch(await upstream.closed(), /\r\n0\r\n/)
    },
  },
  {
    title: '20 refuses a request with no host, two hosts, a malformed one, or another one in its target',
    async run(scene) {
      for (const head of [
        'GET / HTTP/1.1\r\n',
        'GET / HTTP/1.1\r\nhost: a\r\nhost: a\r\n',
        'GET / HTTP/1.1\r\nhost: a, b\r\n',
        'GET / HTTP/1.1\r\nhost: user@a\r\n',
        'GET / HTTP/1.1\r\nhost: a:99999\r\n',
        'GET / HTTP/1.1\r\nhost: a/b\r\n',
        'GET / HTTP/1.1\r\nhost:\r\n',
        'GET http://b/ HTTP/1.1\r\nhost: a\r\n',
      ]) {
        const client = await openRaw(scene.port)
        await refused({ ...scene, client }, `${head}\r\n`, /^HTTP\/1.1 400 /)
      }
    },
  },
  {
    title: '21 answers pipelined requests in their order',
    async run(scene) {
      scene.client.send('GET /1 HTTP/1.1\r\nhost: a\r\n\r\nGET /2 HTTP/1.1\r\nhost: a\r\n\r\n')
      const one = await scene.server.next()
      const two = await scene.server.next()
      const [first, second] = (await one.until(/\r\n\r\n/)).startsWith('GET /1') ? [one, two] : [two, one]
      second.send('HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nTWO')
      first.send('HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nONE')
      await scene.client.until(/ONE[^]*TWO$/)
    },
  },
  {
    title:
      '22 says 408 to a request head that does not come, 504 for an upstream that does not answer, 502 for one that is not there',
    options: { timeouts: { headMs: 400, responseMs: 300 } },
    async run(scene) {
      scene.client.send('GET / HTTP/1.1\r\nhost: a\r\nx-slow: ')
      const slow = scene.client.closed(3_000)
      const silent = await openRaw(scene.port)
      silent.send('GET / HTTP/1.1\r\nhost: a\r\n\r\n')
      assert.match(await silent.until(/\r\n\r\n/), /^HTTP\/1.1 504 [^]*application\/problem\+json/)
      assert.match(await slow, /^HTTP\/1.1 408 [^]*"code":"request_timeout"/)
      const gone = await openRawUpstream()
      await gone[Symbol.asyncDispose]()
      await using nowhere = await openTestRelay(gone.url)
      const client = await openRaw(nowhere.port)
      client.send('GET / HTTP/1.1\r\nhost: a\r\n\r\n')
      assert.match(await client.until(/\}$/), /^HTTP\/1.1 502 [^]*"code":"upstream_unreachable"/)
    },
  },
  {
    title: '23 says 502 for an answer that is not HTTP, and never passes a second one on',
    async run(scene) {
      for (const response of [
        'nonsense\r\n\r\n',
        'HTTP/1.1 200 OK\r\ncontent-length: 4\r\ncontent-length: 5\r\n\r\nabcd',
        'HTTP/1.1 200 OK\r\ncontent-length: x\r\n\r\n',
        'HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n',
      ]) {
        const client = await openRaw(scene.port)
        const { got } = await exchange(
          { ...scene, client },
          'POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\n\r\n',
          response,
        )
        assert.match(got, /^HTTP\/1.1 502 /)
        client.socket.destroy()
      }
      const two = `${ok}HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\npoison`
      const { got } = await exchange(scene, 'GET / HTTP/1.1\r\nhost: a\r\n\r\n', two)
      assert.doesNotMatch(got, /poison/)
      scene.client.send('GET /second HTTP/1.1\r\nhost: a\r\n\r\n')
      const next = await scene.server.next()
      await next.until(/^GET \/second/)
      next.send(ok)
      assert.doesNotMatch(await scene.client.until(/ok[^]*ok$/), /poison/)
    },
  },
  {
    title: '24 says 431 to a head of 64 KB or of too many fields, and drops none silently',
    async run(scene) {
      await refused(
        scene,
        `GET / HTTP/1.1\r\nhost: a\r\nx-big: ${'x'.repeat(65_536)}\r\n\r\n`,
        /^HTTP\/1.1 431 /,
      )
      const many = Array.from({ length: 200 }, (_, i) => `x-${i}: 1\r\n`).join('')
      const client = await openRaw(scene.port)
      await refused({ ...scene, client }, `GET / HTTP/1.1\r\nhost: a\r\n${many}\r\n`, /^HTTP\/1.1 431 /)
    },
  },
]

for (const { title, options, run } of hazards) {
  test(title, async () => {
    await using server = await openRawUpstream()
    await using relay = await openTestRelay(server.url, options)
    const client = await openRaw(relay.port)
    try {
      await run({ ...relay, server, client })
    } finally {
      client.socket.destroy()
    }
  })
}
