import { join } from 'node:path'
import type { Component } from '../../../../../scripts/real-components.ts'
import type { CasePoint } from './case-reasons.ts'
import type { CaseWorld } from './case-world.ts'
import { guideBlock } from './guides.ts'
import { openCaddy, openEnvoyConfig, openHaproxyConfig, openNginx, openTraefik } from './real-proxies.ts'

/** A proxy with the configuration of its guide, before the services of a world; `endpoint` is the port of what it asks. */
export type OpenGuideProxy = (proxy: Component, world: CaseWorld, endpoint: number) => Promise<CasePoint>

// Addresses of the guides, and those of a run.
function places(world: CaseWorld, endpoint: number): Record<string, string> {
  return { '127.0.0.1:8460': `127.0.0.1:${endpoint}`, ...servicesOf(world) }
}

function servicesOf(world: CaseWorld): Record<string, string> {
  return {
    '127.0.0.1:9000': `127.0.0.1:${world.service.port}`,
    '127.0.0.1:9001': `127.0.0.1:${world.jail.port}`,
    '127.0.0.1:9002': `127.0.0.1:${world.grpc.port}`,
  }
}

function pointOf(port: number, grpcPort: number, closing: AsyncDisposable): CasePoint {
  return {
    port,
    grpcPort,
    unverifiableStatus: 403,
    webSocket: true,
    [Symbol.asyncDispose]: () => closing[Symbol.asyncDispose](),
  }
}

/** nginx, twice: one that listens for HTTP/1.1, and one for HTTP/2. */
export const openGuideNginx: OpenGuideProxy = (nginx, world, endpoint) =>
  openGuideNginxWith(nginx, world, endpoint)

/** nginx that asks one of several endpoints, or has `more` in its `server` block. */
export async function openGuideNginxWith(
  nginx: Component,
  world: CaseWorld,
  endpoint: number,
  { others = [], more = '' }: { readonly others?: readonly number[]; readonly more?: string } = {},
): Promise<CasePoint> {
  await using opened = new AsyncDisposableStack()
  const servers = [endpoint, ...others].map((port) => `server 127.0.0.1:${port};`)
  const http = guideBlock('nginx.md', 'nginx http', {
    'server 127.0.0.1:8460;': servers.join(' '),
    ...servicesOf(world),
  })
  const server = guideBlock('nginx.md', 'nginx server') + more
  const plain = opened.use(await openNginx(nginx, { http, server }))
  const grpc = opened.use(await openNginx(nginx, { http, server, listen: 'http2' }))
  return pointOf(plain.port, grpc.port, opened.move())
}

/** Caddy. */
export const openGuideCaddy: OpenGuideProxy = async (caddy, world, endpoint) => {
  const running = await openCaddy(caddy, (port) =>
    guideBlock('caddy.md', 'caddy', { ...places(world, endpoint), 'http://:8080': `http://:${port}` }),
  )
  return pointOf(running.port, running.port, running)
}

const luaScript = join(import.meta.dirname, '../../../../../deploy/haproxy/quantum-ip.lua')

/** HAProxy. */
export const openGuideHaproxy: OpenGuideProxy = async (haproxy, world, endpoint) => {
  const running = await openHaproxyConfig(haproxy, (port) =>
    guideBlock('haproxy.md', 'haproxy', {
      ...places(world, endpoint),
      '/etc/haproxy/quantum-ip.lua': luaScript,
      'bind 127.0.0.1:8080': `bind 127.0.0.1:${port}`,
    }),
  )
  return pointOf(running.port, running.port, running)
}

/** Envoy. */
export const openGuideEnvoy: OpenGuideProxy = (envoy, world, endpoint) =>
  openGuideEnvoyWith(envoy, world, endpoint)

/** Envoy, with more replaced in its configuration. */
export async function openGuideEnvoyWith(
  envoy: Component,
  world: CaseWorld,
  endpoint: number,
  more: (folder: string) => Record<string, string> = () => ({}),
): Promise<CasePoint & { readonly folder: string }> {
  const running = await openEnvoyConfig(envoy, (port, folder) =>
    guideBlock('envoy-http.md', 'yaml envoy', {
      'port_value: 8080': `port_value: ${port}`,
      'port_value: 8460': `port_value: ${endpoint}`,
      'port_value: 9000': `port_value: ${world.service.port}`,
      'port_value: 9001': `port_value: ${world.jail.port}`,
      'port_value: 9002': `port_value: ${world.grpc.port}`,
      ...more(folder),
    }),
  )
  return { ...pointOf(running.port, running.port, running), folder: running.folder }
}

/** Traefik. */
export const openGuideTraefik: OpenGuideProxy = async (traefik, world, endpoint) => {
  const running = await openTraefik(
    traefik,
    ({ port, decided, dynamic }) =>
      guideBlock('traefik.md', 'yaml traefik static', {
        '127.0.0.1:8080': `127.0.0.1:${port}`,
        '127.0.0.1:8081': `127.0.0.1:${decided}`,
        '/etc/traefik/quantum-ip.yaml': dynamic,
      }),
    (decided) =>
      guideBlock('traefik.md', 'yaml traefik dynamic', {
        ...places(world, endpoint),
        '127.0.0.1:8081': `127.0.0.1:${decided}`,
      }),
  )
  return pointOf(running.port, running.port, running)
}
