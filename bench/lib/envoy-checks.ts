import { guideBlock } from '../../packages/edge/enforce/test/support/guides.ts'
import { openEnvoyConfig } from '../../packages/edge/enforce/test/support/real-proxies.ts'
import type { Component } from '../../scripts/real-components.ts'
import { holdToServerCore } from './process-cpu.ts'

/** An Envoy of one thread that answers by itself, on the servers' core. */
export interface BenchEnvoy extends AsyncDisposable {
  readonly pid: number
  readonly port: number
}

const body = JSON.stringify({ order: 17, items: [{ sku: 'A-1', count: 2 }], total: '19.90', currency: 'EUR' })
const answer = `direct_response: { status: 200, body: { inline_string: '${body}' } }`
const filter =
  /( +)- name: envoy\.filters\.http\.ext_authz\n[\s\S]*?(?=\1- name: envoy\.filters\.http\.router)/

/** Envoy as its guide configures it for our endpoint over HTTP. */
export function openHttpChecked(envoy: Component, port: number): Promise<BenchEnvoy> {
  return open(envoy, () => guide().replaceAll('port_value: 8460', `port_value: ${port}`))
}

/** The same without the filter that asks. */
export function openPlain(envoy: Component): Promise<BenchEnvoy> {
  return open(envoy, () => unasked().replace(filter, ''))
}

/** Envoy as its guide configures it for our endpoint over gRPC. */
export function openGrpcChecked(envoy: Component, port: number): Promise<BenchEnvoy> {
  return open(envoy, () =>
    guideBlock('envoy-grpc.md', 'yaml envoy', {
      'route: { cluster: shop }': answer,
      'timeout: 1s\n                  - name': 'timeout: 10s\n                  - name',
      'port_value: 8470': `port_value: ${port}`,
    }),
  )
}

/** Envoy with OPA's plugin asked, as its documentation has it. */
export function openOpaChecked(envoy: Component, port: number): Promise<BenchEnvoy> {
  return open(envoy, () =>
    unasked()
      .replace(filter, (_found, indent: string) => grpcFilter(indent))
      .replace('  clusters:\n', () => `  clusters:\n${grpcCluster(port)}`),
  )
}

// Envoy answers in place of the service, so that nothing but Envoy and what it asks is measured. It waits longer: what else runs on
// this machine is no fault of what it asks.
function guide(): string {
  return guideBlock('envoy-http.md', 'yaml envoy', {
    'route: { cluster: shop }': answer,
    'cluster: quantum_ip, timeout: 1s': 'cluster: quantum_ip, timeout: 10s',
  })
}

// The last route of the guide lets nothing through that our endpoint did not answer.
function unasked(): string {
  return guide().replace('direct_response: { status: 403 }', answer)
}

function grpcFilter(indent: string): string {
  const lines = [
    '- name: envoy.filters.http.ext_authz',
    '  typed_config:',
    "    '@type': type.googleapis.com/envoy.extensions.filters.http.ext_authz.v3.ExtAuthz",
    '    transport_api_version: V3',
    '    failure_mode_allow: false',
    '    clear_route_cache: true',
    '    grpc_service: { envoy_grpc: { cluster_name: asked }, timeout: 10s }',
  ]
  return lines.map((line) => `${indent}${line}\n`).join('')
}

function grpcCluster(port: number): string {
  return `    - name: asked
      type: STATIC
      connect_timeout: 1s
      typed_extension_protocol_options:
        envoy.extensions.upstreams.http.v3.HttpProtocolOptions:
          '@type': type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions
          explicit_http_config: { http2_protocol_options: {} }
      load_assignment:
        cluster_name: asked
        endpoints: [{ lb_endpoints: [{ endpoint: { address: { socket_address: { address: 127.0.0.1, port_value: ${port} } } } }] }]
`
}

async function open(envoy: Component, config: () => string): Promise<BenchEnvoy> {
  const running = await openEnvoyConfig(envoy, (port) =>
    config().replaceAll('port_value: 8080', `port_value: ${port}`),
  )
  holdToServerCore(running.running.pid)
  return {
    pid: running.running.pid,
    port: running.port,
    [Symbol.asyncDispose]: () => running[Symbol.asyncDispose](),
  }
}
