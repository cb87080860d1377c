import { join } from 'node:path'
import { needComponent } from '../../../../scripts/real-components.ts'
import { filesOf, runCertificateCases } from './support/certificate-cases.ts'
import { openCertificateForward, openCertificateGateway } from './support/certificate-points.ts'
import { guideBlock } from './support/guides.ts'
import { openHaproxyConfig } from './support/real-proxies.ts'

const haproxy = await needComponent('haproxy')
const script = join(import.meta.dirname, '../../../../deploy/haproxy/quantum-ip.lua')

/** The line of the guide that asks for certificates, on a port of this run. */
function bindOf(port: number, folder: string): string {
  return guideBlock('proof-of-possession.md', 'haproxy tls', {
    '127.0.0.1:8443': `127.0.0.1:${port}`,
    'server.pem': join(folder, 'server.pem'),
    'clients.pem': join(folder, 'clients.pem'),
  }).trim()
}

runCertificateCases(
  'HAProxy ends mutual TLS before the gateway',
  async (world, party) => {
    await using opened = new AsyncDisposableStack()
    const gateway = opened.use(await openCertificateGateway(world, 'client-cert'))
    const config = (port: number, folder: string): string => `
defaults
  mode http
  timeout connect 5s
  timeout client 30s
  timeout server 30s
frontend in
  ${bindOf(port, folder)}
${guideBlock('proof-of-possession.md', 'haproxy gateway')}
  default_backend gateway
backend gateway
  server gateway 127.0.0.1:${gateway.port}
`
    const front = opened.use(await openHaproxyConfig(haproxy, config, filesOf(party)))
    const closing = opened.move()
    return { port: front.port, [Symbol.asyncDispose]: () => closing.disposeAsync() }
  },
  { skip: haproxy.skip },
)

runCertificateCases(
  'HAProxy ends mutual TLS and asks forward authentication',
  async (world, party) => {
    await using opened = new AsyncDisposableStack()
    const endpoint = opened.use(await openCertificateForward(world, 'client-cert'))
    const config = (port: number, folder: string): string =>
      guideBlock('haproxy.md', 'haproxy', {
        '/etc/haproxy/quantum-ip.lua': script,
        'bind 127.0.0.1:8080': bindOf(port, folder),
        '127.0.0.1:8460': `127.0.0.1:${endpoint.port}`,
        '127.0.0.1:9000': `127.0.0.1:${world.service.port}`,
      })
    const front = opened.use(await openHaproxyConfig(haproxy, config, filesOf(party)))
    const closing = opened.move()
    return { port: front.port, [Symbol.asyncDispose]: () => closing.disposeAsync() }
  },
  { skip: haproxy.skip },
)
