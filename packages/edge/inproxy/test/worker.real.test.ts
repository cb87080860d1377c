import assert from 'node:assert/strict'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { simulatedClock } from '@quantum-ip/testing'
import { createTestDomain } from '../../../core/verifier/test/fixture.ts'
import { needComponent, openComponent } from '../../../../scripts/real-components.ts'
import { edgeScript, openEdgeStateWriter } from '../src/index.ts'
import { guideBlock } from './support/guide.ts'
import { openEcho, openLocalServer } from './support/open-echo.ts'

const workerd = await needComponent('workerd')

// Two modules, a socket, and a network that reaches the loopback.
const config = (port: number): string => `using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [(name = "main", worker = .worker), (name = "internet", network = (allow = ["private"]))],
  sockets = [(name = "http", address = "127.0.0.1:${port}", http = (), service = "main")]
);
const worker :Workerd.Worker = (
  modules = [
    (name = "worker.js", esModule = embed "worker.js"),
    (name = "quantum-ip.js", esModule = embed "quantum-ip.js")
  ],
  compatibilityDate = "2026-01-01"
);
`

test(
  'a worker in workerd lets a good token through, refuses others, and sees a revocation',
  { skip: workerd.skip },
  async () => {
    await using opened = new AsyncDisposableStack()
    const folder = await mkdtemp(join(tmpdir(), 'qip-workerd-'))
    opened.defer(() => rm(folder, { recursive: true, force: true }))
    const held = join(folder, 'held')
    const domain = await createTestDomain({ clock: simulatedClock(Date.now()) })
    const writer = opened.use(await openEdgeStateWriter({ store: domain.store, directory: held }))
    const echo = opened.use(await openEcho())
    const state = opened.use(
      await openLocalServer(({ url = '' }, response) => {
        readFile(join(held, url)).then(
          (text) => response.end(text),
          () => response.writeHead(404).end(),
        )
      }),
    )
    const spare = await openEcho()
    const { port } = new URL(spare.url)
    await spare[Symbol.asyncDispose]()
    const worker = guideBlock('edge-worker.md', 'js worker')
      .replace('https://state.acme.example/edge/', `${state.url}/`)
      .replace('spiffe://acme.example/ns/prod/sa/shop', domain.shop)
      // On the loopback no name leads to the upstream.
      .replace('fetch(request)', `fetch(new Request('${echo.url}/cart', request))`)
    await writeFile(join(folder, 'worker.js'), worker)
    await writeFile(join(folder, 'quantum-ip.js'), edgeScript('worker'))
    await writeFile(join(folder, 'config.capnp'), config(Number(port)))
    const url = `http://127.0.0.1:${port}/cart`
    const isReady = (): Promise<boolean> =>
      fetch(url).then(
        ({ status }) => status !== 0,
        () => false,
      )
    opened.use(await openComponent(workerd, ['serve', join(folder, 'config.capnp')], { isReady }))
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
  },
)
