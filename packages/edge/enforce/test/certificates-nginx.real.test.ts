import { needComponent } from '../../../../scripts/real-components.ts'
import { filesOf, runCertificateCases } from './support/certificate-cases.ts'
import { openCertificateForward, openCertificateGateway } from './support/certificate-points.ts'
import { guideBlock } from './support/guides.ts'
import { openNginx } from './support/real-proxies.ts'

const nginx = await needComponent('nginx')
const tls = guideBlock('proof-of-possession.md', 'nginx tls')

runCertificateCases(
  'nginx ends mutual TLS before the gateway',
  async (world, party) => {
    await using opened = new AsyncDisposableStack()
    const gateway = opened.use(await openCertificateGateway(world, 'nginx'))
    const server = guideBlock('proof-of-possession.md', 'nginx gateway', {
      '127.0.0.1:8080': `127.0.0.1:${gateway.port}`,
    })
    const front = opened.use(
      await openNginx(nginx, { listen: 'ssl', server: tls + server, files: filesOf(party) }),
    )
    const closing = opened.move()
    return { port: front.port, [Symbol.asyncDispose]: () => closing.disposeAsync() }
  },
  { skip: nginx.skip },
)

runCertificateCases(
  'nginx ends mutual TLS and asks forward authentication',
  async (world, party) => {
    await using opened = new AsyncDisposableStack()
    const endpoint = opened.use(await openCertificateForward(world, 'nginx'))
    const http = guideBlock('nginx.md', 'nginx http', {
      '127.0.0.1:8460': `127.0.0.1:${endpoint.port}`,
      '127.0.0.1:9000': `127.0.0.1:${world.service.port}`,
    })
    const server = tls + guideBlock('nginx.md', 'nginx server')
    const front = opened.use(await openNginx(nginx, { listen: 'ssl', http, server, files: filesOf(party) }))
    const closing = opened.move()
    return { port: front.port, [Symbol.asyncDispose]: () => closing.disposeAsync() }
  },
  { skip: nginx.skip },
)
