import { needComponent } from '../../../../scripts/real-components.ts'
import { runCases } from './support/cases.ts'
import { openForwardCases } from './support/forward-cases.ts'
import { guideBlock } from './support/guides.ts'
import { openTraefik } from './support/real-proxies.ts'

const traefik = await needComponent('traefik')

runCases(
  'Traefik with the configuration of its guide passes the shared body of cases',
  async (world) => {
    await using opened = new AsyncDisposableStack()
    const endpoint = opened.use(await openForwardCases(world))
    const running = opened.use(
      await openTraefik(
        traefik,
        ({ port, decided, dynamic }) =>
          guideBlock('traefik.md', 'yaml traefik static', {
            '127.0.0.1:8080': `127.0.0.1:${port}`,
            '127.0.0.1:8081': `127.0.0.1:${decided}`,
            '/etc/traefik/quantum-ip.yaml': dynamic,
          }),
        (decided) =>
          guideBlock('traefik.md', 'yaml traefik dynamic', {
            '127.0.0.1:8460': `127.0.0.1:${endpoint.port}`,
            '127.0.0.1:8081': `127.0.0.1:${decided}`,
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
  { skip: traefik.skip },
)
