import { needComponent } from '../../../../scripts/real-components.ts'
import { runCases } from '../../enforce/test/support/cases.ts'
import { openForwardCases } from '../../enforce/test/support/forward-cases.ts'
import { guideBlock } from '../../enforce/test/support/guides.ts'
import { HeldFolder } from './support/held-folder.ts'
import { openWorker, serveFolder } from './support/open-workerd.ts'

const workerd = await needComponent('workerd')

runCases(
  'a worker in workerd passes the shared body of cases, with the code of its guide before real forward authentication',
  async (world) => {
    await using opened = new AsyncDisposableStack()
    const endpoint = opened.use(await openForwardCases(world))
    const held = opened.use(await HeldFolder.open(world))
    const state = opened.use(await serveFolder(held.directory))
    const worker = opened.use(
      await openWorker(
        workerd,
        guideBlock('edge-worker.md', 'js worker', {
          // What is remembered for a second would be that of the case before.
          "'https://state.acme.example/edge/',": `'${state.url}/', maxAgeMs: -1,`,
          'https://verifier.acme.example': `http://127.0.0.1:${endpoint.port}`,
          'spiffe://acme.example/ns/prod/sa/shop': world.domain.shop,
          'https://shop.acme.example': world.service.url,
          'https://shop-quarantine.acme.example': world.jail.url,
          '/^\\/reports(?:\\/|$)/': '/^\\/(?:jailed|closed)(?:\\/|$)/',
          '/^\\/trial(?:\\/|$)/': '/^\\/monitored(?:\\/|$)/',
        }),
      ),
    )
    const closing = opened.move()
    const reasons = (): readonly string[] =>
      [...worker.written.matchAll(/quantum-ip (\w+) \w+\n/g)].map(([, reason]) => reason ?? '')
    let before = 0
    return {
      port: worker.port,
      webSocket: true,
      unverifiableStatus: 403,
      // What the worker finds out itself it can say with 503.
      statuses: { trust_stale: 503 },
      records: false,
      without: {
        grpc: 'workerd speaks HTTP/1.1 to its callers',
        'an exempt path passes without a token, and nothing beside it':
          'the runtime resolves `..` before the handler sees the path, and so does what it sends on: a test of its own',
      },
      async settle() {
        before = reasons().length
        await held.settle()
      },
      async reasonOf() {
        while (reasons().length <= before) await new Promise((resolve) => setTimeout(resolve, 10))
        return reasons().at(-1) ?? ''
      },
      [Symbol.asyncDispose]: () => closing.disposeAsync(),
    }
  },
  { skip: workerd.skip, realTime: true },
)
