import { needComponent } from '../../../../scripts/real-components.ts'
import { runCases } from './support/cases.ts'
import { openForwardCases } from './support/forward-cases.ts'
import { guideBlock } from './support/guides.ts'
import { openEnvoyConfig } from './support/real-proxies.ts'

const envoy = await needComponent('envoy')

runCases(
  'Envoy with the configuration of its guide passes the shared body of cases over HTTP',
  async (world) => {
    await using opened = new AsyncDisposableStack()
    const endpoint = opened.use(await openForwardCases(world))
    const running = opened.use(
      await openEnvoyConfig(envoy, (port) =>
        guideBlock('envoy-http.md', 'yaml envoy', {
          'port_value: 8080': `port_value: ${port}`,
          'port_value: 8460': `port_value: ${endpoint.port}`,
          'port_value: 9000': `port_value: ${world.service.port}`,
          'port_value: 9001': `port_value: ${world.jail.port}`,
          'port_value: 9002': `port_value: ${world.grpc.port}`,
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
  { skip: envoy.skip },
)
