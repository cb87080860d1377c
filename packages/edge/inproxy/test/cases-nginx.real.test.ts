import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { needComponent } from '../../../../scripts/real-components.ts'
import { runCases } from '../../enforce/test/support/cases.ts'
import { openForwardCases } from '../../enforce/test/support/forward-cases.ts'
import { openNginx } from '../../enforce/test/support/real-proxies.ts'
import { guideNginx } from './support/guide-nginx.ts'
import { HeldFolder } from './support/held-folder.ts'

const nginx = await needComponent('nginx')
const module = await needComponent('nginx-js')

/** The reasons of the log that the guide configures. */
async function reasonsIn(log: string): Promise<readonly string[]> {
  const text = await readFile(log, 'utf8').catch(() => '')
  return [...text.matchAll(/" \d{3} (\w+) ".*"\n/g)].map(([, reason]) => reason ?? '')
}

runCases(
  'nginx that checks tokens itself passes the shared body of cases, with the configuration of its guide before real forward authentication',
  async (world) => {
    await using opened = new AsyncDisposableStack()
    const endpoint = opened.use(await openForwardCases(world))
    const held = opened.use(await HeldFolder.open(world))
    const config = guideNginx({
      module,
      directory: held.directory,
      service: world.domain.shop,
      verifier: endpoint.port,
      upstream: world.service.port,
      quarantine: world.jail.port,
      grpc: world.grpc.port,
    })
    const plain = opened.use(await openNginx(nginx, config))
    const grpc = opened.use(await openNginx(nginx, { ...config, listen: 'http2' }))
    const closing = opened.move()
    const log = join(plain.folder, 'access.log')
    let before = 0
    return {
      port: plain.port,
      grpcPort: grpc.port,
      webSocket: true,
      unverifiableStatus: 403,
      // What nginx finds out itself it can say with 503.
      statuses: { trust_stale: 503 },
      records: false,
      async settle() {
        before = (await reasonsIn(log)).length
        await held.settle()
      },
      async reasonOf() {
        // Written when the answer has left.
        for (;;) {
          const reasons = await reasonsIn(log)
          if (reasons.length > before) return reasons.at(-1) ?? ''
          await new Promise((resolve) => setTimeout(resolve, 10))
        }
      },
      [Symbol.asyncDispose]: () => closing.disposeAsync(),
    }
  },
  { skip: nginx.skip || module.skip, realTime: true },
)
