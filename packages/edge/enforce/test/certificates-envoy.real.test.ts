import { join } from 'node:path'
import { needComponent } from '../../../../scripts/real-components.ts'
import { filesOf, runCertificateCases } from './support/certificate-cases.ts'
import { openCertificateForward, openCertificateGateway } from './support/certificate-points.ts'
import { guideBlock } from './support/guides.ts'
import { openEnvoyConfig } from './support/real-proxies.ts'

const envoy = await needComponent('envoy')
const managerLines = guideBlock('proof-of-possession.md', 'yaml envoy manager')

// What the guide says, all that Envoy can tell, and the least of it.
const detailsOf = {
  'as the guide has it': '{ cert: true }',
  'and tells all': '{ subject: true, cert: true, chain: true, dns: true, uri: true }',
  'and tells the names, without the certificate': '{ subject: true, dns: true, uri: true }',
}

function indented(text: string, by: number): string {
  return text.trimEnd().replaceAll(/^/gm, ' '.repeat(by))
}

/** The guide's configuration of Envoy with the lines of the other guide in their places. */
function mutual(config: string, folder: string, details: string): string {
  const tls = guideBlock('proof-of-possession.md', 'yaml envoy tls', {
    'server.pem': join(folder, 'server.pem'),
    'server.key': join(folder, 'server.key'),
    'clients.pem': join(folder, 'clients.pem'),
  })
  const manager = managerLines.replace('{ cert: true }', details)
  return config
    .replace('        - filters:\n', `        - ${indented(tls, 10).trimStart()}\n          filters:\n`)
    .replace(
      '                codec_type: AUTO\n',
      `                codec_type: AUTO\n${indented(manager, 16)}\n`,
    )
}

const plain = `
static_resources:
  listeners:
    - name: in
      address: { socket_address: { address: 127.0.0.1, port_value: 8080 } }
      filter_chains:
        - filters:
            - name: envoy.filters.network.http_connection_manager
              typed_config:
                '@type': type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
                stat_prefix: in
                codec_type: AUTO
                http_filters:
                  - name: envoy.filters.http.router
                    typed_config: { '@type': type.googleapis.com/envoy.extensions.filters.http.router.v3.Router }
                route_config:
                  virtual_hosts: [{ name: all, domains: ['*'], routes: [{ match: { prefix: / }, route: { cluster: gateway } }] }]
  clusters:
    - name: gateway
      type: STATIC
      load_assignment:
        cluster_name: gateway
        endpoints: [{ lb_endpoints: [{ endpoint: { address: { socket_address: { address: 127.0.0.1, port_value: 8460 } } } }] }]
`

for (const [how, details] of Object.entries(detailsOf)) {
  runCertificateCases(
    `Envoy ends mutual TLS before the gateway, ${how}`,
    async (world, party) => {
      await using opened = new AsyncDisposableStack()
      const gateway = opened.use(await openCertificateGateway(world, 'xfcc'))
      const config = (port: number, folder: string): string =>
        mutual(plain, folder, details)
          .replace('port_value: 8080', `port_value: ${port}`)
          .replace('port_value: 8460', `port_value: ${gateway.port}`)
      const front = opened.use(await openEnvoyConfig(envoy, config, filesOf(party)))
      const closing = opened.move()
      return { port: front.port, [Symbol.asyncDispose]: () => closing.disposeAsync() }
    },
    { skip: envoy.skip },
  )

  runCertificateCases(
    `Envoy ends mutual TLS and asks forward authentication over HTTP, ${how}`,
    async (world, party) => {
      await using opened = new AsyncDisposableStack()
      const endpoint = opened.use(await openCertificateForward(world, 'xfcc'))
      const config = (port: number, folder: string): string =>
        mutual(
          guideBlock('envoy-http.md', 'yaml envoy', {
            'port_value: 8080': `port_value: ${port}`,
            'port_value: 8460': `port_value: ${endpoint.port}`,
            'port_value: 9000': `port_value: ${world.service.port}`,
          }),
          folder,
          details,
        )
      const front = opened.use(await openEnvoyConfig(envoy, config, filesOf(party)))
      const closing = opened.move()
      return { port: front.port, [Symbol.asyncDispose]: () => closing.disposeAsync() }
    },
    { skip: envoy.skip },
  )
}
