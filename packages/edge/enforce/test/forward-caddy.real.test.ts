import { needComponent } from '../../../../scripts/real-components.ts'
import { runCases } from './support/cases.ts'
import { openForwardCases } from './support/forward-cases.ts'
import { guideBlock } from './support/guides.ts'
import { openCaddy } from './support/real-proxies.ts'

const caddy = await needComponent('caddy')

runCases(
  'Caddy with the configuration of its guide passes the shared body of cases',
  async (world) => {
    await using opened = new AsyncDisposableStack()
    const endpoint = opened.use(await openForwardCases(world))
    const running = opened.use(
      await openCaddy(caddy, (port) =>
        guideBlock('caddy.md', 'caddy', {
          'http://:8080': `http://:${port}`,
          '127.0.0.1:8460': `127.0.0.1:${endpoint.port}`,
          '127.0.0.1:9000': `127.0.0.1:${world.service.port}`,
          '127.0.0.1:9001': `127.0.0.1:${world.jail.port}`,
          '127.0.0.1:9002': `127.0.0.1:${world.grpc.port}`,
        }),
      ),
    )
    const closing = opened.move()
    return {
      port: running.port,
      grpcPort: running.port,
      unverifiableStatus: 403,
      webSocket: true,
      [Symbol.asyncDispose]: () => closing.disposeAsync(),
    }
  },
  { skip: caddy.skip },
)
