import { needComponent } from '../../../../scripts/real-components.ts'
import { runCases } from './support/cases.ts'
import { openForwardCases } from './support/forward-cases.ts'
import { guideBlock } from './support/guides.ts'
import { openNginx } from './support/real-proxies.ts'

const nginx = await needComponent('nginx')

runCases(
  'nginx with the configuration of its guide passes the shared body of cases',
  async (world) => {
    await using opened = new AsyncDisposableStack()
    const endpoint = opened.use(await openForwardCases(world))
    const http = guideBlock('nginx.md', 'nginx http', {
      '127.0.0.1:8460': `127.0.0.1:${endpoint.port}`,
      '127.0.0.1:9000': `127.0.0.1:${world.service.port}`,
      '127.0.0.1:9001': `127.0.0.1:${world.jail.port}`,
      '127.0.0.1:9002': `127.0.0.1:${world.grpc.port}`,
    })
    const server = guideBlock('nginx.md', 'nginx server')
    const plain = opened.use(await openNginx(nginx, { http, server }))
    const grpc = opened.use(await openNginx(nginx, { http, server, listen: 'http2' }))
    const closing = opened.move()
    return {
      port: plain.port,
      unverifiableStatus: 403,
      webSocket: true,
      grpcPort: grpc.port,
      [Symbol.asyncDispose]: () => closing.disposeAsync(),
    }
  },
  { skip: nginx.skip },
)
