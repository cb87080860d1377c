import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { get } from 'node:http'
import { once } from 'node:events'
import { type AddressInfo, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Component, openComponent } from '../../../../../scripts/real-components.ts'
import type { TestCertificate } from './certificates.ts'

/** What Envoy is configured with: one route to a gateway over TLS. */
export interface EnvoyOptions {
  /** Ports of gateways on the loopback, balanced round robin. */
  readonly upstreams: readonly number[]
  /** The certificate that the gateways show. */
  readonly server: TestCertificate
  /** The certificate that Envoy shows; absent: none. */
  readonly client?: TestCertificate
  /** `retry_policy` of the route, YAML in one line. */
  readonly retryPolicy: string
  /** Whether its clients are strangers, so that what they say of the request ID is not believed. Default: they are. */
  readonly edge?: boolean
  /** HTTP/2 towards the gateway. */
  readonly http2?: boolean
}

/** An Envoy that runs, on the loopback. */
export interface RealEnvoy extends AsyncDisposable {
  readonly port: number
  /** A counter of its own, by the end of its name. */
  counter(name: string): Promise<number>
}

/** Starts Envoy before gateways. */
export async function openEnvoy(envoy: Component, options: EnvoyOptions): Promise<RealEnvoy> {
  const folder = await mkdtemp(join(tmpdir(), 'qip-envoy-'))
  const [port, admin] = [await freePort(), await freePort()]
  const { server, client } = options
  await writeFile(join(folder, 'ca.pem'), server.cert)
  if (client !== undefined) {
    await writeFile(join(folder, 'cert.pem'), client.cert)
    await writeFile(join(folder, 'key.pem'), client.key, { mode: 0o600 })
  }
  await writeFile(join(folder, 'envoy.yaml'), envoyConfig(options, { folder, port, admin }))
  const args = [
    '-c',
    join(folder, 'envoy.yaml'),
    '--concurrency',
    '1',
    '--log-level',
    'error',
    '--use-dynamic-base-id',
  ]
  const running = await openComponent(envoy, args, {
    isReady: async () => (await ask(admin, '/ready').catch(() => '')).includes('LIVE'),
  })
  return {
    port,
    async counter(name) {
      const line = (await ask(admin, '/stats')).split('\n').find((each) => each.includes(`${name}: `))
      return Number(line?.split(': ')[1] ?? 0)
    },
    async [Symbol.asyncDispose]() {
      await running[Symbol.asyncDispose]()
      await rm(folder, { recursive: true, force: true })
    },
  }
}

interface Place {
  readonly folder: string
  readonly port: number
  readonly admin: number
}

function address(at: number): string {
  return `{ socket_address: { address: 127.0.0.1, port_value: ${at} } }`
}

function envoyConfig(options: EnvoyOptions, { folder, port, admin }: Place): string {
  const { upstreams, client, retryPolicy, http2 = false, edge = true } = options
  const shown =
    client === undefined
      ? ''
      : `tls_certificates: [{ certificate_chain: { filename: ${folder}/cert.pem }, private_key: { filename: ${folder}/key.pem } }],`
  const protocol = http2
    ? '{ explicit_http_config: { http2_protocol_options: {} } }'
    : '{ explicit_http_config: { http_protocol_options: {} } }'
  return `
admin: { address: ${address(admin)} }
static_resources:
  listeners:
    - name: in
      address: ${address(port)}
      filter_chains:
        - filters:
            - name: envoy.filters.network.http_connection_manager
              typed_config:
                '@type': type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
                stat_prefix: in
                codec_type: AUTO
                use_remote_address: ${edge}
                route_config:
                  virtual_hosts:
                    - name: shop
                      domains: ['*']
                      routes:
                        - match: { prefix: / }
                          route: { cluster: gateway, timeout: 10s, retry_policy: ${retryPolicy} }
                http_filters:
                  - name: envoy.filters.http.router
                    typed_config:
                      '@type': type.googleapis.com/envoy.extensions.filters.http.router.v3.Router
  clusters:
    - name: gateway
      type: STATIC
      connect_timeout: 5s
      load_assignment:
        cluster_name: gateway
        endpoints:
          - lb_endpoints:
${upstreams.map((at) => `              - endpoint: { address: ${address(at)} }`).join('\n')}
      typed_extension_protocol_options:
        envoy.extensions.upstreams.http.v3.HttpProtocolOptions:
          '@type': type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions
          ${protocol.slice(2, -2)}
      transport_socket:
        name: envoy.transport_sockets.tls
        typed_config:
          '@type': type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext
          sni: localhost
          common_tls_context: {
            ${shown}
            tls_params: { tls_minimum_protocol_version: TLSv1_3, tls_maximum_protocol_version: TLSv1_3 },
            validation_context: { trusted_ca: { filename: ${folder}/ca.pem } },
          }
`
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}

function ask(port: number, path: string): Promise<string> {
  return new Promise((resolve, reject) => {
    get({ port, host: '127.0.0.1', path, agent: false }, (response) => {
      let text = ''
      response.setEncoding('utf8').on('data', (part: string) => {
        text += part
      })
      response.on('end', () => resolve(text))
    }).on('error', reject)
  })
}
