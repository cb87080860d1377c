import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { inspect } from 'node:util'
import { test } from 'node:test'
import { isQipError, utf8 } from '@quantum-ip/base'
import { bearer, ClientError, openTransport, requestJson, type Transport } from '../src/index.ts'
import { TestAuthority } from './support/authority.ts'
import { makeCertificate } from './support/certificate.ts'
import { connect } from './support/client.ts'
import { RecordedDomain } from './support/domain.ts'
import { until } from './support/until.ts'

// The authority of these tests is a small HTTP server over a real trust domain in memory.

const domain = await RecordedDomain.open()
const get = { operation: 'a test', method: 'GET', target: '/v1/state' } as const
const post = { operation: 'a test', method: 'POST', target: '/v1/state', body: utf8('{}') } as const

async function open(t: {
  after: (done: () => Promise<void>) => void
}): Promise<{ authority: TestAuthority; transport: Transport }> {
  const authority = new TestAuthority(domain)
  await authority.listen()
  const transport = connect(authority)
  t.after(async () => {
    await transport.close()
    await authority.stop()
  })
  return { authority, transport }
}

function refusedAs(code: string, matching?: RegExp) {
  return (error: unknown) => isQipError(error, code) && (matching?.test(error.message) ?? true)
}

test('asks an authority (a test server) and reads its answer', async (t) => {
  const { authority, transport } = await open(t)
  const answer = await transport.request(get)
  assert.equal(answer.status, 200)
  assert.equal(answer.mediaType, 'application/json')
  assert.equal(Buffer.from(answer.body).toString(), domain.current.state)
  assert.equal(transport.url, authority.url)
})

test('reaches an authority (a test server) over a Unix socket', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'qip-client-'))
  const authority = new TestAuthority(domain)
  await authority.listen({ socketPath: join(folder, 'authority.sock') })
  const transport = connect(authority)
  t.after(async () => {
    await transport.close()
    await authority.stop()
    await rm(folder, { recursive: true })
  })
  assert.equal((await transport.request(get)).status, 200)
  const gone = openTransport({ url: `unix:${join(folder, 'nobody.sock')}`, attemptsMax: 1 })
  await assert.rejects(
    gone.request(get),
    refusedAs('QIP_CLIENT_AUTHORITY_UNAVAILABLE', /there is no such socket/),
  )
  await gone.close()
})

test('repeats what may be repeated, and nothing else', async (t) => {
  const { authority, transport } = await open(t)
  const overloaded = authority.problem(503, 'QIP_HTTP_OVERLOADED', 'too much at once')
  const faults = [overloaded, 'drop', authority.problem(429, 'QIP_HTTP_OVERLOADED', 'too much')] as const
  for (const fault of faults) {
    const before = authority.count('/v1/state')
    authority.fault('/v1/state', fault, fault)
    assert.equal((await transport.request(get)).status, 200)
    assert.equal(authority.count('/v1/state') - before, 3)
  }
  for (const fault of faults) {
    const before = authority.count('/v1/state')
    authority.fault('/v1/state', fault)
    await assert.rejects(transport.request(post), refusedAs('QIP_CLIENT_AUTHORITY_UNAVAILABLE'))
    assert.equal(authority.count('/v1/state') - before, 1)
  }
  const before = authority.count('/v1/state')
  authority.fault('/v1/state', overloaded)
  await transport.request({ ...post, idempotent: true })
  assert.equal(authority.count('/v1/state') - before, 2)
})

test('gives up after the attempts it was given, with the reason that the authority gave', async (t) => {
  const { authority, transport } = await open(t)
  const fault = authority.problem(503, 'QIP_AUTHORITY_OVERLOADED', 'overloaded: too many orders', {
    next: 'come back later',
  })
  authority.fault('/v1/state', fault, fault, fault)
  await assert.rejects(transport.request(get), (error) => {
    assert.ok(error instanceof ClientError)
    assert.equal(error.code, 'QIP_CLIENT_AUTHORITY_UNAVAILABLE')
    assert.equal(error.fault, 'busy')
    assert.equal(error.next, 'come back later')
    assert.match(error.message, /a test: overloaded: too many orders$/)
    return true
  })
  assert.equal(authority.faults.get('/v1/state')?.length, 0)
})

test('does not repeat a refusal, and tells its code and what to do next', async (t) => {
  const { authority, transport } = await open(t)
  const fault = authority.problem(403, 'QIP_AUTHORITY_ADMISSION_REFUSED', 'not admitted: no rule', {
    next: 'look at `admission.rules`',
  })
  authority.fault('/v1/state', fault)
  await assert.rejects(transport.request(get), (error) => {
    assert.ok(error instanceof ClientError)
    const { operation, status, code, reason, next } = error.details as Record<string, unknown>
    assert.deepEqual(
      { code: error.code, next: error.next, details: { operation, status, code, reason, next } },
      {
        code: 'QIP_CLIENT_AUTHORITY_REFUSED',
        next: 'look at `admission.rules`',
        details: {
          operation: 'a test',
          status: 403,
          code: 'QIP_AUTHORITY_ADMISSION_REFUSED',
          reason: 'not admitted: no rule',
          next: 'look at `admission.rules`',
        },
      },
    )
    return true
  })
  assert.equal(authority.count('/v1/state'), 1)
})

test('reads errors that are not the authority’s own', async (t) => {
  const { authority, transport } = await open(t)
  const cases = [
    { status: 404, type: 'text/html', raw: '<h1>nginx</h1>' },
    { status: 404, type: 'application/problem+json', raw: '{"code":"QIP_X"' },
    { status: 404, type: 'application/problem+json', raw: '[]' },
    { status: 404, type: 'application/problem+json', raw: '{"code":"lower case"}' },
    { status: 302, raw: '' },
  ]
  for (const fault of cases) {
    authority.fault('/v1/state', fault)
    await assert.rejects(transport.request(get), (error) => {
      assert.ok(isQipError(error, 'QIP_CLIENT_AUTHORITY_REFUSED'))
      assert.equal((error.details as { code: string }).code, 'none')
      return true
    })
  }
})

test('waits for an answer only so long', async (t) => {
  const { authority, transport } = await open(t)
  authority.fault('/v1/state', 'hang')
  await assert.rejects(
    transport.request({ ...post, timeoutMs: 30 }),
    refusedAs('QIP_CLIENT_AUTHORITY_UNAVAILABLE', /no answer within 30 ms/),
  )
  // One that may be repeated has its time for each attempt.
  authority.fault('/v1/state', 'hang')
  assert.equal((await transport.request({ ...get, timeoutMs: 1_000 })).status, 200)
})

test('takes answers up to a limit', async (t) => {
  const { authority, transport } = await open(t)
  authority.fault('/v1/state', { raw: 'x'.repeat(1_000) }, { raw: 'x'.repeat(1_001) })
  const limited = { ...get, answerBytesMax: 1_000 }
  assert.equal((await transport.request(limited)).body.length, 1_000)
  await assert.rejects(
    transport.request(limited),
    refusedAs('QIP_CLIENT_AUTHORITY_UNAVAILABLE', /more than 1000 bytes/),
  )
  assert.equal(authority.count('/v1/state'), 2)
  assert.equal((await transport.request(get)).status, 200)
})

test('an explanation without end is not read', async (t) => {
  const { authority, transport } = await open(t)
  authority.fault('/v1/state', { status: 400, type: 'application/problem+json', raw: 'x'.repeat(70_000) })
  await assert.rejects(transport.request(get), refusedAs('QIP_CLIENT_AUTHORITY_REFUSED', /without an expl/))
})

test('goes to the next address where one does not answer, and stays there for a while', async (t) => {
  const { authority } = await open(t)
  const transport = openTransport({ url: ['http://127.0.0.1:1', authority.url], timeoutMs: 2_000 })
  t.after(() => transport.close())
  assert.equal(transport.url, 'http://127.0.0.1:1')
  // Nothing was sent to the first one, so this holds for what must not be sent twice, too.
  authority.routes.set('POST /v1/state', () => ({ json: {} }))
  assert.equal((await transport.request(post)).status, 200)
  assert.equal(transport.url, authority.url)
  assert.equal((await transport.request(get)).status, 200)
})

test('what may have arrived is not sent to another address', async (t) => {
  const { authority } = await open(t)
  const other = await open(t)
  const transport = openTransport({ url: [authority.url, other.authority.url], timeoutMs: 2_000 })
  t.after(() => transport.close())
  authority.fault('/v1/state', 'drop')
  await assert.rejects(transport.request(post), refusedAs('QIP_CLIENT_AUTHORITY_UNAVAILABLE'))
  assert.equal(other.authority.count('/v1/state'), 0)
})

test('says in words why nobody could be asked', async (t) => {
  const silent = createServer((socket) => socket.destroy())
  await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve))
  t.after(() => silent.close())
  const { port } = silent.address() as { port: number }
  const cases: [url: string, reason: RegExp][] = [
    ['http://127.0.0.1:1', /nothing listens there/],
    ['https://name.invalid', /the name does not resolve|the name cannot be resolved now/],
    [`http://127.0.0.1:${port}`, /the connection (?:was reset|ended before the answer did)/],
  ]
  for (const [url, reason] of cases) {
    const transport = openTransport({ url, attemptsMax: 1, timeoutMs: 2_000 })
    await assert.rejects(transport.request(get), refusedAs('QIP_CLIENT_AUTHORITY_UNAVAILABLE', reason), url)
    await transport.close()
  }
})

test('fails requests when it is closed, and those that come afterwards', async (t) => {
  const { authority, transport } = await open(t)
  authority.fault('/v1/state', 'hang')
  const under = assert.rejects(transport.request(get), refusedAs('QIP_CLIENT_CLOSED'))
  await until('it was asked', () => authority.count('/v1/state') === 1)
  await transport.close()
  await under
  await assert.rejects(transport.request(get), refusedAs('QIP_CLIENT_CLOSED'))
})

test('ends a request when its caller gives it up', async (t) => {
  const { authority, transport } = await open(t)
  authority.fault('/v1/state', 'hang')
  const caller = new AbortController()
  const ended = assert.rejects(
    transport.request({ ...get, signal: caller.signal }),
    refusedAs('QIP_CLIENT_AUTHORITY_UNAVAILABLE', /given up/),
  )
  await until('it was asked', () => authority.count('/v1/state') === 1)
  caller.abort()
  await ended
  assert.equal(authority.count('/v1/state'), 1)
})

test('a stream is handed over as it comes, and can be ended', async (t) => {
  const { authority, transport } = await open(t)
  const session = authority.addSession('verifier')
  const { formatSessionProof } = await import('../src/index.ts')
  const request = { operation: 'a test', method: 'GET', target: '/v1/feed' } as const
  const authorize = () => formatSessionProof(session, domain.clock.now(), request)
  const stream = await transport.stream({ ...request, authorize })
  assert.equal(stream.mediaType, 'text/event-stream')
  let text = ''
  for await (const chunk of stream.body) {
    text += Buffer.from(chunk).toString()
    if (text.includes('hello')) break
  }
  assert.match(text, /retry: 20/)
  stream.close()
  await assert.rejects(transport.stream(request), refusedAs('QIP_CLIENT_AUTHORITY_REFUSED'))
  // One that is ended before it was read leaves nothing behind.
  const unread = await transport.stream({ ...request, authorize })
  unread.close()
})

test('sends an operator’s credential, and shows it nowhere', async (t) => {
  const { authority, transport } = await open(t)
  const credential = 'marked-secret-credential'
  const operator = bearer(transport, credential)
  authority.fault(
    '/v1/state',
    authority.problem(401, 'QIP_HTTP_CREDENTIAL_INVALID', `no: Bearer ${credential}`),
  )
  await assert.rejects(requestJson(operator, get), (error) => {
    assert.ok(!inspect(error, { depth: 9, showHidden: true }).includes(credential))
    return isQipError(error, 'QIP_CLIENT_AUTHORITY_REFUSED')
  })
  assert.equal(authority.received.at(-1)?.headers.authorization, `Bearer ${credential}`)
  assert.ok(!inspect([operator, transport], { depth: 9, showHidden: true }).includes(credential))
  assert.throws(() => bearer(transport, 'two words'), TypeError)
})

test('refuses JSON of which there is more than one reading', async (t) => {
  const { authority, transport } = await open(t)
  const bad = ['{"a":1,"a":2}', '{', '{"a":01}', '\xff']
  for (const raw of bad) {
    authority.fault('/v1/state', { raw })
    await assert.rejects(
      requestJson(transport, get),
      refusedAs('QIP_CLIENT_AUTHORITY_UNAVAILABLE', /cannot be read/),
    )
  }
  authority.fault('/v1/state', { raw: '{}', type: 'text/plain' })
  await assert.rejects(requestJson(transport, get), refusedAs('QIP_CLIENT_AUTHORITY_UNAVAILABLE', /no JSON/))
})

test('speaks TLS 1.3 with X25519MLKEM768 preferred, to whom the CA or the pin names', async (t) => {
  const certificate = makeCertificate()
  const authority = new TestAuthority(domain)
  const url = await authority.listen({ tls: certificate })
  t.after(() => authority.stop())
  const { cert: ca, sha256 } = certificate
  const colons = sha256.toUpperCase().replaceAll(/..(?=.)/g, '$&:')
  const good = [
    { ca },
    { pinnedCertificate: sha256 },
    { pinnedCertificate: colons },
    { ca, requirePostQuantum: true },
  ]
  for (const options of good) {
    const transport = openTransport({ url, timeoutMs: 2_000, ...options })
    assert.equal((await transport.request(get)).status, 200)
    await transport.close()
  }
  const bad = [{}, { pinnedCertificate: 'ab'.repeat(32) }, { ca: makeCertificate().cert }]
  for (const options of bad) {
    const before = authority.received.length
    const transport = openTransport({ url, timeoutMs: 2_000, ...options })
    await assert.rejects(transport.request(get), refusedAs('QIP_CLIENT_CHANNEL_REFUSED'))
    assert.equal(authority.received.length, before)
    await transport.close()
  }
  assert.throws(() => openTransport({ url, pinnedCertificate: 'abc' }), TypeError)
})

test('refuses a key exchange without ML-KEM where one is demanded, and takes X25519 otherwise', async (t) => {
  const certificate = makeCertificate()
  const authority = new TestAuthority(domain)
  const url = await authority.listen({ tls: { ...certificate, groups: 'X25519' } })
  t.after(() => authority.stop())
  const modest = openTransport({ url, ca: certificate.cert, timeoutMs: 2_000 })
  assert.equal((await modest.request(get)).status, 200)
  await modest.close()
  const strict = openTransport({ url, ca: certificate.cert, timeoutMs: 2_000, requirePostQuantum: true })
  await assert.rejects(strict.request(get), refusedAs('QIP_CLIENT_CHANNEL_REFUSED', /handshake failed/))
  await strict.close()
})

test('refuses addresses that it should not be given', () => {
  assert.throws(() => openTransport({ url: 'http://10.0.0.1' }), refusedAs('QIP_CLIENT_ADDRESS_REFUSED'))
  assert.throws(() => openTransport({ url: [] }), TypeError)
})
