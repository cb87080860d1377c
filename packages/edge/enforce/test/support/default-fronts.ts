import { once } from 'node:events'
import { createServer, type RequestListener } from 'node:http'
import { connect as connectHttp2, createServer as createHttp2Server } from 'node:http2'
import { type AddressInfo, connect, type Server } from 'node:net'
import { needComponent } from '../../../../../scripts/real-components.ts'
import { collect } from './raw.ts'
import { openCaddy, openEnvoyConfig, openHaproxy, openNginx } from './real-proxies.ts'

/** A server or proxy whose limits are what they are without being set. */
export interface DefaultFront {
  /** As the table calls it. */
  readonly name: string
  readonly http2: boolean
  readonly skip: string | false
  /** Opens it before an echo on this port; what needs none is the echo itself. */
  open(upstream: number): Promise<{ readonly port: number } & AsyncDisposable>
}

/** Answers how many characters of the token have arrived. */
const tellLength: RequestListener = (request, response) => {
  const token = request.headers['quantum-ip'] ?? ''
  response.end(`${token.length} characters`)
}

/** What stands behind the proxies: takes whatever they pass on. */
export async function openLongEcho(): Promise<{ readonly port: number } & AsyncDisposable> {
  return listening(createServer({ maxHeaderSize: 1_048_576 }, tellLength))
}

async function listening(server: Server): Promise<{ readonly port: number } & AsyncDisposable> {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    port: (server.address() as AddressInfo).port,
    async [Symbol.asyncDispose]() {
      if ('closeAllConnections' in server) (server as ReturnType<typeof createServer>).closeAllConnections()
      server.close()
    },
  }
}

const nginx = await needComponent('nginx')
const haproxy = await needComponent('haproxy')
const caddy = await needComponent('caddy')
const envoy = await needComponent('envoy')

/** Each of them, over HTTP/1.1 and over HTTP/2. */
export const defaultFronts: readonly DefaultFront[] = [
  ...[false, true].map((http2) => ({
    name: 'nginx',
    http2,
    skip: nginx.skip,
    open: (upstream: number) =>
      openNginx(nginx, {
        server: `location / { proxy_pass http://127.0.0.1:${upstream}; }`,
        listen: http2 ? 'http2' : '',
      }),
  })),
  ...[false, true].map((http2) => ({
    name: 'HAProxy',
    http2,
    skip: haproxy.skip,
    open: (upstream: number) =>
      openHaproxy(haproxy, { server: `127.0.0.1:${upstream}`, bind: http2 ? 'proto h2' : '' }),
  })),
  ...[false, true].map((http2) => ({
    name: 'Caddy',
    http2,
    skip: caddy.skip,
    open: (upstream: number) => openCaddy(caddy, (port) => caddyfile(port, upstream)),
  })),
  ...[false, true].map((http2) => ({
    name: 'Envoy',
    http2,
    skip: envoy.skip,
    open: (upstream: number) => openEnvoyConfig(envoy, (port) => envoyConfig(port, upstream)),
  })),
  { name: 'Node', http2: false, skip: false, open: () => listening(createServer(tellLength)) },
  {
    name: 'Node',
    http2: true,
    skip: false,
    open: () =>
      listening(createHttp2Server(tellLength as unknown as Parameters<typeof createHttp2Server>[1])),
  },
]

function caddyfile(port: number, upstream: number): string {
  return `{
  admin off
  auto_https off
  servers {
    protocols h1 h2c
  }
}
http://:${port} {
  bind 127.0.0.1
  reverse_proxy 127.0.0.1:${upstream}
}
`
}

const address = (at: number): string => `{ socket_address: { address: 127.0.0.1, port_value: ${at} } }`

function envoyConfig(port: number, upstream: number): string {
  return `static_resources:
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
                route_config:
                  virtual_hosts: [{ name: shop, domains: ['*'], routes: [{ match: { prefix: / }, route: { cluster: shop } }] }]
                http_filters:
                  - name: envoy.filters.http.router
                    typed_config: { '@type': type.googleapis.com/envoy.extensions.filters.http.router.v3.Router }
  clusters:
    - name: shop
      type: STATIC
      load_assignment:
        cluster_name: shop
        endpoints: [{ lb_endpoints: [{ endpoint: { address: ${address(upstream)} } }] }]
`
}

/** What becomes of a request with these fields: `200` and the number of characters that arrived, or how it was refused. */
export function askFront(
  { port, http2 }: { readonly port: number; readonly http2: boolean },
  fields: readonly (readonly [name: string, value: string])[],
): Promise<{ readonly answer: string; readonly arrived: number }> {
  return http2 ? askHttp2(port, fields) : askHttp1(port, fields)
}

type Fields = Parameters<typeof askFront>[1]
type FrontAnswer = ReturnType<typeof askFront>

async function askHttp1(port: number, fields: Fields): FrontAnswer {
  const raw = collect(connect(port, '127.0.0.1'))
  const lines = ['GET /orders/17 HTTP/1.1', 'host: shop.acme.example', 'connection: close']
  raw.send([...lines, ...fields.map(([name, value]) => `${name}: ${value}`), '', ''].join('\r\n'))
  const text = await raw.closed(10_000)
  raw.socket.destroy()
  return { answer: /^HTTP\/1\.\d (\d{3})/.exec(text)?.[1] ?? 'cut off', arrived: arrivedIn(text) }
}

function arrivedIn(text: string): number {
  return Number(/(\d+) characters/.exec(text)?.[1] ?? 0)
}

async function askHttp2(port: number, fields: Fields): FrontAnswer {
  const session = connectHttp2(`http://127.0.0.1:${port}`, { maxSendHeaderBlockLength: 1_048_576 })
  const refused = { answer: 'cut off', arrived: 0 }
  try {
    return await new Promise((resolve) => {
      session.on('error', () => resolve(refused))
      const stream = session.request({
        ':authority': 'shop.acme.example',
        ':path': '/orders/17',
        ...Object.fromEntries(fields),
      })
      let answer = ''
      let text = ''
      stream.on('response', (head) => {
        answer = String(head[':status'] ?? '')
      })
      stream.setEncoding('utf8').on('data', (part: string) => {
        text += part
      })
      stream.on('error', () => resolve(refused))
      stream.on('close', () => resolve(answer === '' ? refused : { answer, arrived: arrivedIn(text) }))
      stream.end()
    })
  } finally {
    session.destroy()
  }
}
