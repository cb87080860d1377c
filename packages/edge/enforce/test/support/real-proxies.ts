import { once } from 'node:events'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { type AddressInfo, connect, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  type Component,
  type RunningComponent,
  openComponent,
} from '../../../../../scripts/real-components.ts'

/** A proxy of the distribution that runs, on the loopback, with a folder of its own. */
export interface RealProxy extends AsyncDisposable {
  readonly port: number
  readonly url: string
  readonly folder: string
  readonly running: RunningComponent
  /** What it has logged so far. */
  log(): Promise<string>
}

/** What differs from a configuration that says nothing but where to listen. */
export interface NginxOptions {
  /** Directives before all blocks, as `load_module`. */
  readonly main?: string
  /** Directives of the `http` block. */
  readonly http?: string
  /** Directives of the one `server` block. */
  readonly server: string
  /** What follows the address in `listen`, as `ssl http2`. */
  readonly listen?: string
  /** Logs every header field that it reads. */
  readonly debug?: boolean
  /** Files in its folder, by name. */
  readonly files?: Readonly<Record<string, string>>
}

/** Starts nginx with its defaults, but for `options`. */
export function openNginx(nginx: Component, options: NginxOptions): Promise<RealProxy> {
  return openProxy(nginx, options.files ?? {}, (folder, port) => ({
    config: nginxConfig(options, port),
    args: ['-p', folder, '-e', 'error.log', '-c', join(folder, 'config')],
    // Written once it listens: before, somebody else's server might answer.
    pidFile: join(folder, 'nginx.pid'),
  }))
}

function nginxConfig(
  { main = '', http = '', server, listen = '', debug = false }: NginxOptions,
  port: number,
): string {
  // Workers of root would be `nobody`, who may not enter the folder.
  const user = process.getuid?.() === 0 ? 'user root;' : ''
  const kinds = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
  return `
${main}
${user}
daemon off;
worker_processes 1;
pid nginx.pid;
error_log error.log ${debug ? 'debug' : 'warn'};
events { worker_connections 256; }
http {
  access_log off;
  ${kinds.map((kind) => `${kind}_temp_path ${kind}-temp;`).join('\n  ')}
  ${http}
  server {
    listen 127.0.0.1:${port} ${listen};
    ${server}
  }
}
`
}

/** What differs from a configuration that passes everything on. */
export interface HaproxyOptions {
  /** Where it sends requests to: `127.0.0.1:8080`, and what follows, as `proto h2`. */
  readonly server: string
  /** Rules of the frontend. */
  readonly rules?: string
  /** What follows the address in `bind`. */
  readonly bind?: string
  readonly files?: Readonly<Record<string, string>>
}

/** Starts HAProxy with its defaults, but for `options`. */
export function openHaproxy(haproxy: Component, options: HaproxyOptions): Promise<RealProxy> {
  return openProxy(haproxy, options.files ?? {}, (folder, port) => ({
    config: `
defaults
  mode http
  timeout connect 5s
  timeout client 30s
  timeout server 30s
frontend in
  bind 127.0.0.1:${port} ${options.bind ?? ''}
  ${options.rules ?? ''}
  default_backend out
backend out
  server upstream ${options.server}
`,
    args: ['-db', '-p', join(folder, 'haproxy.pid'), '-C', folder, '-f', join(folder, 'config')],
    pidFile: undefined,
  }))
}

/** Files in the folder of a proxy, by name. */
export type ProxyFiles = Readonly<Record<string, string>>

/** A whole configuration, for the port to listen on and the folder with its files. */
export type WholeConfig = (port: number, folder: string) => string

/** Starts Caddy with a Caddyfile. */
export function openCaddy(caddy: Component, config: WholeConfig, files: ProxyFiles = {}): Promise<RealProxy> {
  return openProxy(caddy, files, (folder, port) => ({
    config: config(port, folder),
    args: ['run', '--adapter', 'caddyfile', '--config', join(folder, 'config')],
    pidFile: undefined,
  }))
}

/** Starts Envoy with a whole configuration. */
export function openEnvoyConfig(
  envoy: Component,
  config: WholeConfig,
  files: ProxyFiles = {},
): Promise<RealProxy> {
  return openProxy(envoy, files, (folder, port) => ({
    config: config(port, folder),
    args: [
      '--config-path',
      join(folder, 'config.yaml'),
      '--concurrency',
      '1',
      '--log-level',
      'error',
      '--file-flush-interval-msec',
      '50',
      '--use-dynamic-base-id',
    ],
    pidFile: undefined,
    name: 'config.yaml',
  }))
}

/** Starts HAProxy with a whole configuration. */
export function openHaproxyConfig(
  haproxy: Component,
  config: WholeConfig,
  files: ProxyFiles = {},
): Promise<RealProxy> {
  return openProxy(haproxy, files, (folder, port) => ({
    config: config(port, folder),
    args: ['-db', '-p', join(folder, 'haproxy.pid'), '-C', folder, '-f', join(folder, 'config')],
    pidFile: undefined,
  }))
}

/** Starts Traefik with its two files: one that says where to listen, `decided` being a second port, and one that says what to do. */
export async function openTraefik(
  traefik: Component,
  config: (places: { readonly port: number; readonly decided: number; readonly dynamic: string }) => string,
  dynamic: (decided: number) => string,
): Promise<RealProxy> {
  const decided = await freePort()
  return openProxy(traefik, { 'dynamic.yaml': dynamic(decided) }, (folder, port) => ({
    config: config({ port, decided, dynamic: join(folder, 'dynamic.yaml') }),
    args: [`--configFile=${join(folder, 'config.yaml')}`],
    pidFile: undefined,
    name: 'config.yaml',
    isReady: async () => (await fetch(`http://127.0.0.1:${port}/`)).status !== 404,
  }))
}

interface Start {
  readonly config: string
  /** The name of its file. Default `config`. */
  readonly name?: string
  readonly args: readonly string[]
  readonly pidFile: string | undefined
  /** Whether it does what its configuration says, where it listens before. */
  readonly isReady?: () => Promise<boolean>
}

async function settled(): Promise<boolean> {
  return true
}

async function openProxy(
  component: Component,
  files: Readonly<Record<string, string>>,
  plan: (folder: string, port: number) => Start,
): Promise<RealProxy> {
  const folder = await mkdtemp(join(tmpdir(), `qip-${component.name}-`))
  try {
    for (const [name, text] of Object.entries(files)) await writeFile(join(folder, name), text)
    const port = await freePort()
    const { config, args, pidFile, name = 'config', isReady: isServing = settled } = plan(folder, port)
    await writeFile(join(folder, name), config)
    const isReady = async (): Promise<boolean> =>
      (pidFile === undefined || (await readFile(pidFile, 'utf8').catch(() => '')) !== '') &&
      (await answers(port)) &&
      (await isServing())
    const running = await openComponent(component, args, { isReady })
    return {
      port,
      url: `http://127.0.0.1:${port}`,
      folder,
      running,
      log: () => readFile(join(folder, 'error.log'), 'utf8'),
      async [Symbol.asyncDispose]() {
        await running[Symbol.asyncDispose]()
        await rm(folder, { recursive: true, force: true })
      },
    }
  } catch (error) {
    await rm(folder, { recursive: true, force: true })
    throw error
  }
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}

function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1')
    socket.once('connect', () => {
      socket.destroy()
      resolve(true)
    })
    socket.once('error', () => resolve(false))
  })
}
