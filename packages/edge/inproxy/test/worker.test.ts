import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createTestDomain } from '../../../core/verifier/test/fixture.ts'
import { createEdgeHandler, type EdgeHandlerOptions } from '../src/script/worker.ts'
import { partsOf } from './parts-of.ts'

async function openScene(changes: Partial<EdgeHandlerOptions> = {}) {
  const domain = await createTestDomain()
  const asked: string[] = []
  const seen: Request[] = []
  let answer = (name: string): Response => {
    const text = partsOf(domain.store).get(name)
    return text === undefined ? new Response('', { status: 404 }) : new Response(text)
  }
  const handler = createEdgeHandler({
    service: domain.shop,
    stateUrl: 'https://state.example/edge/',
    upstream: async (request) => {
      seen.push(request)
      return new Response('from the upstream')
    },
    fetch: async (url) => {
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
  return { domain, ask, asked, seen, answerWith }
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

test('has somebody asked what it cannot decide, where there is somebody', async () => {
  const told: string[] = []
  const { domain, ask } = await openScene({
    ask: async (request) => {
      told.push(request.headers.get('quantum-ip') ?? '')
      return new Response('asked')
    },
  })
  const { text } = await domain.issueOne({ use: 1 })
  assert.equal(await (await ask(text)).text(), 'asked')
  assert.deepEqual(told, [text])
})
