import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createTestDomain } from '../../../core/verifier/test/fixture.ts'
import { createEdgeHandler, type EdgeHandlerOptions } from '../src/script/worker.ts'
import { partsOf } from './parts-of.ts'

function unreachable(_init?: RequestInit): Response {
  return new Response('', { status: 500 })
}

async function openScene(changes: Partial<EdgeHandlerOptions> = {}) {
  const domain = await createTestDomain()
  const asked: string[] = []
  const seen: Request[] = []
  let answer = (name: string): Response => {
    const text = partsOf(domain.store).get(name)
    return text === undefined ? new Response('', { status: 404 }) : new Response(text)
  }
  let verify = unreachable
  const handler = createEdgeHandler({
    service: domain.shop,
    stateUrl: 'https://state.example/edge/',
    upstream: async (request) => {
      seen.push(request)
      return new Response('from the upstream')
    },
    fetch: async (url, init) => {
      if (url === 'https://verifier.example/original') return verify(init)
      const name = url.replace('https://state.example/edge/', '')
      asked.push(name)
      return answer(name)
    },
    now: () => domain.clock.now(),
    ...changes,
  })
  const ask = (token?: string, headers: Record<string, string> = {}): Promise<Response> =>
    handler(
      new Request('https://shop.acme.example/cart?x=1', {
        headers: { ...headers, ...(token !== undefined && { 'Quantum-IP': token }) },
      }),
    )
  const answerWith = (next: typeof answer): void => {
    answer = next
  }
  const verifierAnswers = (next: typeof verify): void => {
    verify = next
  }
  return { domain, handler, ask, asked, seen, answerWith, verifierAnswers }
}

test('lets a good token through, takes it off and says who calls', async () => {
  const { domain, ask, seen } = await openScene()
  const { text } = await domain.issueOne()
  const answer = await ask(text, {
    quantum_ip_status: 'forged',
    'Quantum-IP-Head': 'x',
    tracestate: 'qip=00000000,a=1',
  })
  assert.deepEqual([answer.status, await answer.text()], [200, 'from the upstream'])
  assert.deepEqual(Object.fromEntries(seen[0]?.headers ?? []), {
    'quantum-ip-status': `status=verified, reason=ok, action=allow, mode=enforce, sub="${domain.web}"`,
    tracestate: 'a=1',
  })
})

test('refuses what does not hold with 401 and what it cannot know with 503', async () => {
  const { domain, ask, seen, answerWith } = await openScene()
  const { text } = await domain.issueOne()
  const other = await domain.issueOne({ aud: [domain.web] })
  const once = await domain.issueOne({ use: 1 })
  const statuses = [await ask(), await ask(`${text}x`), await ask(other.text), await ask(once.text)]
  assert.deepEqual(
    statuses.map(({ status }) => status),
    [401, 401, 401, 503],
  )
  assert.equal(statuses[0]?.headers.get('www-authenticate'), 'Quantum-IP error="token_refused"')
  domain.clock.advance(2_000)
  answerWith(() => new Response('', { status: 500 }))
  assert.equal((await ask(text)).status, 503)
  assert.equal(seen.length, 0)
})

test('does not take a revocation that cannot be read for none', async () => {
  const { domain, ask, answerWith } = await openScene()
  const { text } = await domain.issueOne()
  await domain.revoke({ kind: 'identity', value: `${domain.td}/other` })
  const parts = partsOf(domain.store)
  assert.equal((await ask(text)).status, 200)
  domain.clock.advance(2_000)
  answerWith((name) =>
    name.includes('revoked') ? new Response('', { status: 502 }) : new Response(parts.get(name)),
  )
  assert.equal((await ask(text)).status, 503)
})

test('asks for each part of the state once a second, and sees a revocation after that', async () => {
  const { domain, ask, asked } = await openScene()
  const { text } = await domain.issueOne()
  for (let i = 0; i < 5; i++) await ask(text)
  assert.deepEqual(asked, ['state', asked[1]])
  await domain.revoke({ kind: 'identity', value: domain.web })
  assert.equal((await ask(text)).status, 200)
  domain.clock.advance(1_001)
  assert.equal((await ask(text)).status, 401)
})

test('has a verifier decide what it cannot, and goes by its answer alone', async () => {
  const told: Headers[] = []
  let answer = new Response('', {
    headers: {
      'quantum-ip-status': 'status=verified, reason=ok, action=allow, mode=enforce',
      'quantum-ip-action': 'allow',
      traceparent: '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01',
    },
  })
  const verifierUrl = 'https://verifier.example/original'
  const scene = await openScene({ verifierUrl })
  const { domain, ask, seen } = scene
  scene.verifierAnswers((init) => {
    told.push(new Headers(init?.headers))
    return answer
  })
  const { text } = await domain.issueOne({ use: 1 })
  assert.equal((await ask(text, { tracestate: 'a=1', traceparent: 'x' })).status, 200)
  const fields = Object.fromEntries(told[0] ?? [])
  assert.deepEqual(fields, {
    'quantum-ip': text,
    traceparent: 'x',
    tracestate: 'a=1',
    'x-original-host': 'shop.acme.example',
    'x-original-method': 'GET',
    'x-original-proto': 'https',
    'x-original-uri': '/cart?x=1',
  })
  assert.deepEqual(Object.fromEntries(seen[0]?.headers ?? []), {
    'quantum-ip-status': 'status=verified, reason=ok, action=allow, mode=enforce',
    traceparent: '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01',
  })
  // What is no whole answer lets nothing pass.
  const others: [Response, number][] = [
    [new Response('', { headers: { 'quantum-ip-action': 'allow' } }), 503],
    [new Response('', { headers: { 'quantum-ip-status': 'status=verified' } }), 503],
    [new Response('', { status: 500 }), 503],
    [new Response('', { status: 302, headers: { location: '/' } }), 503],
    [new Response('no', { status: 403 }), 403],
    [new Response('no', { status: 401, headers: { 'www-authenticate': 'Quantum-IP error="x"' } }), 401],
  ]
  for (const [next, status] of others) {
    answer = next
    assert.equal((await ask(text)).status, status)
  }
  scene.verifierAnswers(() => {
    throw new TypeError('fetch failed')
  })
  assert.equal((await ask(text)).status, 503)
  assert.equal(seen.length, 1)
})

test('lets exempt paths pass without a token, marked, and nothing beside them', async () => {
  const { seen, handler } = await openScene({ exempt: ['/health'] })
  const at = async (path: string) =>
    (
      await handler(
        new Request(`https://shop.acme.example${path}`, { headers: { 'Quantum-IP-Status': 'x' } }),
      )
    ).status
  assert.deepEqual(
    [await at('/health?x'), await at('/health/x'), await at('/healthy'), await at('/health%2f..%2fcart')],
    [200, 401, 401, 401],
  )
  assert.match(seen[0]?.headers.get('quantum-ip-status') ?? '', /reason=exempt/)
  // A path with `..` has one reading here: the one that goes on.
  assert.deepEqual([await at('/x/../health'), new URL(seen[1]?.url ?? '').pathname], [200, '/health'])
})

test('takes a build whose attestation nobody checked only where that is said', async () => {
  for (const [shallow, status] of [
    [undefined, 401],
    ['allow', 200],
  ] as const) {
    const { domain, ask } = await openScene({ shallow })
    const { build, att } = await domain.registry.attest()
    const { text } = await domain.issueOne({ bld: build, att })
    assert.equal((await ask(text)).status, status)
  }
})
