import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { simulatedClock } from '@quantum-ip/testing'
import { createTestDomain } from '../../../core/verifier/test/fixture.ts'
import { needComponent } from '../../../../scripts/real-components.ts'
import { openEdgeStateWriter } from '../src/index.ts'
import { guideBlock } from '../../enforce/test/support/guides.ts'
import { openEcho } from './support/open-echo.ts'
import { openWorker, serveFolder } from './support/open-workerd.ts'

const workerd = await needComponent('workerd')

test(
  'a worker in workerd lets a good token through, refuses others, and sees a revocation',
  { skip: workerd.skip },
  async () => {
    await using opened = new AsyncDisposableStack()
    const held = await mkdtemp(join(tmpdir(), 'qip-workerd-'))
    opened.defer(() => rm(held, { recursive: true, force: true }))
    const domain = await createTestDomain({ clock: simulatedClock(Date.now()) })
    const writer = opened.use(await openEdgeStateWriter({ store: domain.store, directory: held }))
    const echo = opened.use(await openEcho())
    const state = opened.use(await serveFolder(held))
    const code = guideBlock('edge-worker.md', 'js worker', {
      'https://state.acme.example/edge/': `${state.url}/`,
      'spiffe://acme.example/ns/prod/sa/shop': domain.shop,
      'https://shop.acme.example': echo.url,
      // Nobody listens there.
      'https://verifier.acme.example': 'http://127.0.0.1:1',
    })
    const { port } = opened.use(await openWorker(workerd, code))
    const url = `http://127.0.0.1:${port}/cart`
    const batch = await domain.issue(
      Array.from({ length: 200 }, () => ({ bld: new Uint8Array(32).fill(7), bev: 1 as const })),
    )
    await writer.write()
    const token = batch[77]?.text ?? ''
    const ask = (text: string): Promise<Response> =>
      fetch(url, { headers: { 'Quantum-IP': text, 'Quantum-IP-Status': 'status=verified' } })
    // Parts count for a second.
    await new Promise((resolve) => setTimeout(resolve, 1_100))
    const good = await ask(token)
    const text = await good.text()
    assert.equal(good.status, 200, text)
    const { raw } = JSON.parse(text) as { raw: readonly string[] }
    const ours = raw.flatMap((name, at) =>
      at % 2 === 0 && /quantum/i.test(name) ? [`${name}: ${raw[at + 1]}`] : [],
    )
    const digest = Buffer.alloc(32, 7).toString('base64')
    const named = `sub="${domain.web}", bld=:${digest}:, bev=1`
    assert.deepEqual(ours, [
      `Quantum-IP-Status: status=verified, reason=ok, action=allow, mode=enforce, ${named}`,
    ])
    const other = await domain.issueOne({ aud: [domain.web] })
    const once = await domain.issueOne({ use: 1 })
    const refused = [await fetch(url), await ask(`${token}x`), await ask(other.text), await ask(once.text)]
    assert.deepEqual(
      refused.map(({ status }) => status),
      [401, 401, 401, 503],
    )
    await domain.revoke({ kind: 'identity', value: domain.web })
    await writer.write()
    await new Promise((resolve) => setTimeout(resolve, 1_100))
    assert.equal((await ask(token)).status, 401)
    // Whoever serves the state is gone: what was read counts for its second, then nothing passes.
    const fresh = await domain.issueOne({ sub: `${domain.td}/ns/prod/sa/other` })
    await writer.write()
    await new Promise((resolve) => setTimeout(resolve, 1_100))
    assert.equal((await ask(fresh.text)).status, 200)
    await state[Symbol.asyncDispose]()
    await new Promise((resolve) => setTimeout(resolve, 1_100))
    assert.equal((await ask(fresh.text)).status, 503)
  },
)
