import assert from 'node:assert/strict'
import { createTestDomain, type TestDomain } from '../../../core/verifier/test/fixture.ts'
import {
  type PossessionPoint,
  runPossessionCases,
  runUnprovedCases,
} from '../../../core/verifier/test/possession-point.ts'
import { CaseWorld } from '../../enforce/test/support/case-world.ts'
import { openForwardCases } from '../../enforce/test/support/forward-cases.ts'
import { judgeToken } from '../src/script/judge.ts'
import { createEdgeHandler } from '../src/script/worker.ts'
import { webPlatform } from '../src/script/worker-platform.ts'
import { partsOf } from './parts-of.ts'

const uri = 'https://shop.acme.example/cart'
const request = { method: 'GET', authority: 'shop.acme.example', target: '/cart?x=1' }

type Send = PossessionPoint['send']

function pointOf(domain: TestDomain, send: Send, close = () => Promise.resolve()): PossessionPoint {
  return {
    uri,
    get nowS() {
      return domain.clock.now() / 1_000
    },
    async issue(cnf) {
      const [one, other] = await domain.issue([{ cnf }, { cnf }])
      return [one?.text ?? '', other?.text ?? '']
    },
    send,
    [Symbol.asyncDispose]: close,
  }
}

runUnprovedCases('the script by itself', async () => {
  const domain = await createTestDomain()
  return pointOf(domain, async (token) => {
    const parts = partsOf(domain.store)
    const verdict = judgeToken(
      {
        token,
        tracestate: undefined,
        audience: domain.shop,
        nowMs: domain.clock.now(),
        request,
        certificate: undefined,
      },
      webPlatform((name) => parts.get(name)),
    )
    // It says that a verifier could come to another verdict, and its own is no.
    assert.deepEqual([verdict.reason, verdict.ask], ['binding_mismatch', true])
    return { passes: verdict.reason === 'ok' || verdict.reason === 'ok_shallow', reason: verdict.reason }
  })
})

/** A worker before nothing, which is told the state of the domain anew for each request. */
function workerOf(domain: TestDomain, port?: number): Send {
  const handler = createEdgeHandler({
    service: domain.shop,
    stateUrl: 'https://state.example/edge/',
    upstream: async ({ headers }) => {
      assert.equal(headers.get('workload-proof-token'), null)
      return new Response('from the upstream')
    },
    fetch: async (url, init) => {
      if (!url.startsWith('https://state.example/edge/')) return fetch(url, init)
      const text = partsOf(domain.store).get(url.replace('https://state.example/edge/', ''))
      return text === undefined ? new Response('', { status: 404 }) : new Response(text)
    },
    now: () => domain.clock.now(),
    ...(port !== undefined && { verifierUrl: `http://127.0.0.1:${port}/original` }),
  })
  return async (token, proofs) => {
    const headers = new Headers({ 'Quantum-IP': token })
    for (const proof of proofs) headers.append('Workload-Proof-Token', proof)
    // It asks for the state once a second.
    domain.clock.advance(1_001)
    const { status } = await handler(new Request(`${uri}?x=1`, { headers }))
    return { passes: status === 200, reason: undefined }
  }
}

runUnprovedCases('an edge worker that asks nobody', async () => {
  const domain = await createTestDomain()
  return pointOf(domain, workerOf(domain))
})

runPossessionCases('an edge worker that asks forward authentication', async () => {
  await using opened = new AsyncDisposableStack()
  const world = opened.use(await CaseWorld.open())
  const domain = await world.begin()
  const { port } = opened.use(await openForwardCases(world))
  const closing = opened.move()
  return pointOf(domain, workerOf(domain, port), () => closing.disposeAsync())
})
