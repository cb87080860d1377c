import { join } from 'node:path'
import { needComponent } from '../../../../scripts/real-components.ts'
import { filesOf, runCertificateCases } from './support/certificate-cases.ts'
import { openCertificateForward, openCertificateGateway } from './support/certificate-points.ts'
import { guideBlock } from './support/guides.ts'
import { openCaddy } from './support/real-proxies.ts'

const caddy = await needComponent('caddy')

/** The lines of the guide that ask for certificates. */
function tlsOf(folder: string): string {
  return guideBlock('proof-of-possession.md', 'caddy tls', {
    'server.pem': join(folder, 'server.pem'),
    'server.key': join(folder, 'server.key'),
    'clients.pem': join(folder, 'clients.pem'),
  })
}

runCertificateCases(
  'Caddy ends mutual TLS before the gateway',
  async (world, party) => {
    await using opened = new AsyncDisposableStack()
    const gateway = opened.use(await openCertificateGateway(world, 'client-cert'))
    const rules = guideBlock('proof-of-possession.md', 'caddy gateway', {
      '127.0.0.1:8080': `127.0.0.1:${gateway.port}`,
    })
    const config = (port: number, folder: string): string => `
{
	admin off
	auto_https disable_redirects
}
https://shop.acme.example:${port} {
${tlsOf(folder)}
${rules}
}
`
    const front = opened.use(await openCaddy(caddy, config, filesOf(party)))
    const closing = opened.move()
    return { port: front.port, [Symbol.asyncDispose]: () => closing.disposeAsync() }
  },
  { skip: caddy.skip },
)

runCertificateCases(
  'Caddy ends mutual TLS and asks forward authentication',
  async (world, party) => {
    await using opened = new AsyncDisposableStack()
    const endpoint = opened.use(await openCertificateForward(world, 'client-cert'))
    const config = (port: number, folder: string): string =>
      guideBlock('caddy.md', 'caddy', {
        'admin off': 'admin off\n\tauto_https disable_redirects',
        'http://:8080 {': `https://shop.acme.example:${port} {\n${tlsOf(folder)}`,
        '127.0.0.1:8460': `127.0.0.1:${endpoint.port}`,
        '127.0.0.1:9000': `127.0.0.1:${world.service.port}`,
      })
    const front = opened.use(await openCaddy(caddy, config, filesOf(party)))
    const closing = opened.move()
    return { port: front.port, [Symbol.asyncDispose]: () => closing.disposeAsync() }
  },
  { skip: caddy.skip },
)
