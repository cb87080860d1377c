import { needComponent } from '../../../../scripts/real-components.ts'
import { runCases } from './support/cases.ts'
import { openExtAuthzCases } from './support/ext-authz-cases.ts'
import { guideBlock } from './support/guides.ts'
import { openEnvoyConfig } from './support/real-proxies.ts'

const envoy = await needComponent('envoy')

runCases(
  'Envoy with the configuration of its guide passes the shared body of cases over gRPC',
  async (world) => {
    await using opened = new AsyncDisposableStack()
    const server = opened.use(await openExtAuthzCases(world))
    const running = opened.use(
      await openEnvoyConfig(envoy, (port) =>
        guideBlock('envoy-grpc.md', 'yaml envoy', {
          'port_value: 8080': `port_value: ${port}`,
          'port_value: 8470': `port_value: ${server.port}`,
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
      unverifiableStatus: 503,
      webSocket: true,
      [Symbol.asyncDispose]: () => closing.disposeAsync(),
    }
  },
  { skip: envoy.skip },
)
