import assert from 'node:assert/strict'
import { connect } from 'node:net'
import { describe, it } from 'node:test'
import { Type } from 'typebox'
import { BaseError } from '@quantum-ip/base'
import { openApiDocument, openServer, type Server, type ServerReply } from '../src/index.ts'
import { call, eventually, raw, started } from './support.ts'

const closed = { additionalProperties: false } as const
const open = { access: 'open' } as const

function addEcho({ app }: Server): void {
  const body = Type.Object(
    { name: Type.String({ maxLength: 100 }), count: Type.Optional(Type.Integer()) },
    closed,
  )
  app.post('/echo', { config: open, bodyLimit: 1_000, schema: { body } }, (request) => request.body)
  const querystring = Type.Object({ limit: Type.Optional(Type.Integer({ minimum: 1 })) }, closed)
  app.get('/list', { config: open, schema: { querystring } }, (request) => ({
    limit: request.query.limit ?? null,
  }))
  app.post('/empty', { config: open }, () => ({ ok: true }))
  const form = Type.Object({ grant_type: Type.String(), scope: Type.Optional(Type.String()) }, closed)
  app.post('/form', { config: { ...open, form: true }, schema: { body: form } }, (request) => request.body)
  const byType = { content: { 'application/json': { schema: body } } }
  app.post('/typed', { config: open, schema: { body: byType } }, () => ({ ok: true }))
}

describe('a server', () => {
  const requests: [string, Parameters<typeof call>[0], number, string, RegExp?][] = [
    ['a good body', { path: '/echo', body: '{"name":"a"}' }, 200, ''],
    [
      'a media type of JSON with a suffix',
      {
        path: '/echo',
        body: '{"name":"a"}',
        headers: { 'content-type': 'application/x+json; charset=utf-8' },
      },
      200,
      '',
    ],
    ['a good query', { path: '/list?limit=3' }, 200, ''],
    [
      'a form',
      {
        path: '/form',
        body: 'grant_type=x',
        headers: { 'content-type': 'application/x-www-form-urlencoded' },
      },
      200,
      '',
    ],
    [
      'a form where JSON belongs',
      {
        path: '/echo',
        body: 'name=a',
        headers: { 'content-type': 'application/x-www-form-urlencoded' },
      },
      415,
      'QIP_HTTP_MEDIA_TYPE_UNSUPPORTED',
    ],
    [
      'an unknown member',
      { path: '/echo', body: '{"nam":"a"}' },
      400,
      'QIP_HTTP_REQUEST_INVALID',
      /did you mean `name`/,
    ],
    [
      'text for a number',
      { path: '/echo', body: '{"name":"a","count":"3"}' },
      400,
      'QIP_HTTP_REQUEST_INVALID',
    ],
    ['a duplicate name', { path: '/echo', body: '{"name":"a","name":"b"}' }, 400, 'QIP_BASE_JSON_MALFORMED'],
    ['malformed JSON', { path: '/echo', body: '{"name":' }, 400, 'QIP_BASE_JSON_MALFORMED'],
    ['an empty body', { path: '/echo', body: '' }, 400, 'QIP_HTTP_BODY_MALFORMED'],
    ['no body', { path: '/echo', method: 'POST' }, 400, 'QIP_HTTP_REQUEST_INVALID'],
    [
      'a body above the limit of its route',
      { path: '/echo', body: `{"name":"${'x'.repeat(1_000)}"}` },
      413,
      'QIP_HTTP_BODY_TOO_LARGE',
      /1000 bytes/,
    ],
    [
      'a body of another type',
      { path: '/echo', body: 'name: a', headers: { 'content-type': 'text/yaml' } },
      415,
      'QIP_HTTP_MEDIA_TYPE_UNSUPPORTED',
    ],
    [
      'a type that the schema does not list',
      { path: '/typed', body: 'name=a', headers: { 'content-type': 'application/x-www-form-urlencoded' } },
      415,
      'QIP_HTTP_MEDIA_TYPE_UNSUPPORTED',
    ],
    ['a body where none is expected', { path: '/empty', body: '{"a":1}' }, 400, 'QIP_HTTP_REQUEST_INVALID'],
    [
      'a repeated field of a form',
      {
        path: '/form',
        body: 'grant_type=x&grant_type=y',
        headers: { 'content-type': 'application/x-www-form-urlencoded' },
      },
      400,
      'QIP_HTTP_REQUEST_INVALID',
    ],
    [
      'an unknown query parameter',
      { path: '/list?limits=3' },
      400,
      'QIP_HTTP_REQUEST_INVALID',
      /did you mean `limit`/,
    ],
    [
      'a query where none is expected',
      { path: '/empty?a=1', method: 'POST' },
      400,
      'QIP_HTTP_REQUEST_INVALID',
    ],
    ['a malformed query', { path: '/list?limit=%zz' }, 400, 'QIP_HTTP_BODY_MALFORMED'],
    ['a malformed path', { path: '/%zz' }, 400, 'QIP_HTTP_REQUEST_MALFORMED'],
    ['an unknown path', { path: '/nowhere' }, 404, 'QIP_HTTP_ROUTE_UNKNOWN'],
    ['an unknown path with a malformed body', { path: '/nowhere', body: '{' }, 404, 'QIP_HTTP_ROUTE_UNKNOWN'],
    ['the wrong method', { path: '/echo' }, 404, 'QIP_HTTP_ROUTE_UNKNOWN'],
    [
      'too many header fields',
      { path: '/list', headers: Object.fromEntries(Array.from({ length: 120 }, (_, i) => [`x-${i}`, '1'])) },
      431,
      'QIP_HTTP_HEADERS_TOO_LARGE',
    ],
    [
      'a header of 64 KB',
      { path: '/list', headers: { x: 'y'.repeat(65_536) } },
      431,
      'QIP_HTTP_HEADERS_TOO_LARGE',
    ],
  ]
  it('answers each kind of request with its status and code', async (test) => {
    await using at = await started({}, addEcho)
    for (const [title, request, status, code, next] of requests) {
      await test.test(title, async () => {
        const answer = await call({ port: at.port, ...request })
        assert.equal(answer.status, status, answer.text)
        if (code === '') return
        assert.equal(answer.json.code, code)
        assert.match(String(answer.headers['content-type']), /^application\/problem\+json/)
        assert.equal(answer.json.status, status)
        assert.equal(answer.json.type, `urn:quantum-ip:error:${code}`)
        if (next !== undefined) assert.match(answer.text, next)
      })
    }
  })

  it('answers what is not HTTP with a problem, and closes', async () => {
    await using at = await started({}, addEcho)
    for (const bytes of [
      'nonsense\r\n\r\n',
      'GET / HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n',
    ]) {
      const answer = await raw(at.port, bytes)
      assert.match(answer, /^HTTP\/1.1 400 Bad Request\r\ncontent-type: application\/problem\+json/)
      assert.match(answer, /QIP_HTTP_REQUEST_MALFORMED/)
    }
  })

  it('never lets a parser error answer in the place of a response under way', async () => {
    const gate = Promise.withResolvers<void>()
    await using at = await started({}, ({ app }) => {
      app.get('/slow', { config: open }, async () => {
        await gate.promise
        return { ok: true }
      })
    })
    const answer = raw(at.port, 'GET /slow HTTP/1.1\r\nhost: a\r\n\r\nnonsense\r\n\r\n')
    await eventually(() => at.server.inFlight === 0 || at.server.inFlight === 1)
    assert.equal(await answer, '')
    gate.resolve()
  })

  it('times a request out that does not arrive whole', async () => {
    const limits = { requestTimeoutMs: 120, headersTimeoutMs: 120 }
    await using at = await started({ limits }, addEcho)
    assert.match(await raw(at.port, 'GET / HTT'), /^HTTP\/1.1 408 [^]*QIP_HTTP_REQUEST_TIMEOUT/)
    const body = await raw(
      at.port,
      'POST /echo HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\ncontent-length: 50\r\n\r\n{"na',
    )
    assert.ok(body === '' || body.includes('QIP_HTTP_REQUEST_TIMEOUT'), body)
  })

  it('answers 503 where a handler takes too long, and tells the handler', async () => {
    let aborted = false
    await using at = await started({ limits: { handlerTimeoutMs: 60 } }, ({ app }) => {
      app.route({
        method: 'GET',
        url: '/slow',
        config: open,
        handler: async ({ signal }) => {
          await new Promise((resolve) => {
            signal.addEventListener('abort', resolve)
          })
          aborted = true
          return {}
        },
      })
    })
    const answer = await call({ port: at.port, path: '/slow' })
    assert.deepEqual([answer.status, answer.json.code], [503, 'QIP_HTTP_HANDLER_TIMEOUT'])
    await eventually(() => aborted)
  })

  it('tells nothing of what went wrong inside, but its observer', async () => {
    const told: unknown[] = []
    const observer = {
      onDefect: (error: unknown, at: { requestId: string }) => told.push([String(error), at.requestId]),
    }
    await using at = await started({ observer }, ({ app }) => {
      app.get('/defect', { config: open }, () => {
        throw new Error('marked-secret')
      })
    })
    const answer = await call({ port: at.port, path: '/defect' })
    assert.deepEqual([answer.status, answer.json.code], [500, 'QIP_HTTP_DEFECT'])
    assert.ok(!answer.text.includes('marked-secret'))
    assert.deepEqual(told, [['Error: marked-secret', answer.json.requestId]])
  })

  it('answers with the status of the fault, or the one that a handler chose in the same class', async () => {
    await using at = await started({}, ({ app }) => {
      app.get('/caller', { config: open }, () => {
        throw new BaseError('QIP_BASE_PATTERN_MALFORMED', { reason: 'it is empty' })
      })
      app.get('/not-found', { config: open }, () => {
        throw Object.assign(new BaseError('QIP_BASE_PATTERN_MALFORMED', { reason: 'x' }), {
          code: 'QIP_TEST_NOT_FOUND',
        })
      })
      app.get('/missing', { config: open }, async (_request, reply) => {
        reply.code(404)
        throw new BaseError('QIP_BASE_PATTERN_MALFORMED', { reason: 'it is empty' })
      })
    })
    assert.equal((await call({ port: at.port, path: '/caller' })).status, 400)
    assert.equal((await call({ port: at.port, path: '/missing' })).status, 404)
    assert.equal((await call({ port: at.port, path: '/not-found' })).status, 404)
  })

  it('refuses what is above its limit in flight, with a jittered Retry-After, and health checks never', async () => {
    const gate = Promise.withResolvers<void>()
    const random = { bytes: (size: number) => new Uint8Array(size).fill(255) }
    await using at = await started({ limits: { inFlightMax: 2, retryAfterMaxS: 5 }, random }, ({ app }) => {
      app.get('/wait', { config: open }, async () => {
        await gate.promise
        return {}
      })
    })
    const waiting = [call({ port: at.port, path: '/wait' }), call({ port: at.port, path: '/wait' })]
    await eventually(() => at.server.inFlight === 2)
    const refused = await call({ port: at.port, path: '/wait' })
    assert.deepEqual(
      [refused.status, refused.json.code, refused.headers['retry-after']],
      [503, 'QIP_HTTP_OVERLOADED', '5'],
    )
    assert.equal((await call({ port: at.port, path: '/healthz' })).status, 200)
    gate.resolve()
    for (const answer of await Promise.all(waiting)) assert.equal(answer.status, 200)
    await eventually(() => at.server.inFlight === 0)
    assert.equal((await call({ port: at.port, path: '/wait' })).status, 200)
  })

  it('counts down again where a client gives up', async () => {
    await using at = await started({}, ({ app }) => {
      app.get('/never', { config: open }, async () => await new Promise(() => {}))
    })
    const socket = connect(at.port, '127.0.0.1')
    socket.write('GET /never HTTP/1.1\r\nhost: a\r\n\r\n')
    await eventually(() => at.server.inFlight === 1)
    socket.destroy()
    await eventually(() => at.server.inFlight === 0)
  })

  it('counts down again for requests that were sent ahead on a connection that ends', async () => {
    await using at = await started({}, ({ app }) => {
      app.get('/never', { config: open }, async () => await new Promise(() => {}))
    })
    const socket = connect(at.port, '127.0.0.1')
    socket.write('GET /never HTTP/1.1\r\nhost: a\r\n\r\n'.repeat(5))
    await eventually(() => at.server.inFlight === 5)
    socket.destroy()
    await eventually(() => at.server.inFlight === 0)
  })

  it('says whether it is ready', async () => {
    let ok = false
    const ready = () => [{ name: 'store', ok, ...(ok ? {} : { reason: 'it is starting' }) }]
    await using at = await started({ ready }, () => {})
    const before = await call({ port: at.port, path: '/readyz' })
    assert.equal(before.status, 503)
    assert.deepEqual(before.json['checks'], [{ name: 'store', ok: false, reason: 'it is starting' }])
    ok = true
    assert.equal((await call({ port: at.port, path: '/readyz' })).status, 200)
  })

  it('reports each reply by route, status and code', async () => {
    const replies: ServerReply[] = []
    await using at = await started({ observer: { onReply: (reply) => replies.push(reply) } }, addEcho)
    await call({ port: at.port, path: '/list?limit=1' })
    await call({ port: at.port, path: '/nowhere?token=marked-secret' })
    await eventually(() => replies.length === 2)
    assert.deepEqual(
      replies.map(({ method, route, status, code }) => [method, route, status, code]),
      [
        ['GET', '/list', 200, undefined],
        ['GET', '', 404, 'QIP_HTTP_ROUTE_UNKNOWN'],
      ],
    )
  })
})

describe('the start-up check', () => {
  it('refuses a route without an access rule', async () => {
    await using server = await openServer({ title: 't', version: '1' })
    assert.throws(() => server.app.get('/x', {}, () => ({})), { code: 'QIP_HTTP_ACCESS_UNDECLARED' })
    assert.throws(() => server.app.get('/x', { config: { access: 'root' as 'admin' } }, () => ({})), {
      code: 'QIP_HTTP_ACCESS_UNDECLARED',
    })
  })

  it('refuses a route of a plugin without one when the server begins to listen', async () => {
    await using server = await openServer({ title: 't', version: '1' })
    server.app.register(async (plugin) => {
      plugin.get('/x', {}, () => ({}))
    })
    await assert.rejects(server.listen([{ host: '127.0.0.1', port: 0 }]), {
      code: 'QIP_HTTP_ACCESS_UNDECLARED',
    })
  })

  it('refuses open schemas of bodies and queries', async () => {
    await using server = await openServer({ title: 't', version: '1' })
    const wide = Type.Object({ a: Type.String() })
    const code = 'QIP_HTTP_SCHEMA_OPEN'
    assert.throws(() => server.app.post('/a', { config: open, schema: { body: wide } }, () => ({})), { code })
    assert.throws(() => server.app.get('/b', { config: open, schema: { querystring: wide } }, () => ({})), {
      code,
    })
    const content = { 'application/json': { schema: wide } }
    assert.throws(() => server.app.post('/c', { config: open, schema: { body: { content } } }, () => ({})), {
      code,
    })
  })
})

describe('openApiDocument', () => {
  it('holds every route with its schema, access and problems, as OpenAPI 3.1', async () => {
    await using server = await openServer({ title: 'Authority', version: '0.1.0' })
    const body = Type.Object({ name: Type.String() }, closed)
    const response = { 201: Type.Object({ id: Type.String() }, closed) }
    server.app.post(
      '/v1/keys',
      { config: { access: 'key-custodian' }, schema: { body, response } },
      async (_request, reply) => {
        return await reply.code(201).send({ id: 'x' })
      },
    )
    server.app.get('/v1/feed', { config: { access: 'member' } }, () => ({}))
    await server.app.ready()
    const document = openApiDocument(server)
    assert.equal(document.openapi, '3.1.0')
    assert.deepEqual(document.info, { title: 'Authority', version: '0.1.0' })
    const post = document.paths['/v1/keys']?.['post']
    assert.deepEqual(post?.security, [{ operator: [] }])
    assert.match(post?.description ?? '', /the role `key-custodian`/)
    assert.deepEqual(Object.keys(post?.responses ?? {}), ['201', 'default'])
    assert.ok(JSON.stringify(post).includes('"additionalProperties":false'))
    assert.deepEqual(document.paths['/v1/feed']?.['get']?.security, [{ session: [] }, { operator: [] }])
    assert.deepEqual(Object.keys(document.paths).sort(), ['/healthz', '/readyz', '/v1/feed', '/v1/keys'])
    assert.ok(JSON.stringify(document).includes('#/components/schemas/Problem'))
  })
})
