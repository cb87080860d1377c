// nginx_inproxy: what the check inside nginx costs, beside auth_request to a verifier, beside forward authentication, and beside nothing.
import { readFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { edgeScript, openEdgeStateWriter } from '@quantum-ip/inproxy'
import { createTestDomain } from '../../packages/core/verifier/test/fixture.ts'
import { openNginx } from '../../packages/edge/enforce/test/support/real-proxies.ts'
import { type Component, needComponent } from '../../scripts/real-components.ts'
import { leaveServerCore, startServer } from '../lib/child.ts'
import { HttpLoad } from '../lib/http-load.ts'
import { percentile, round, type Rows } from '../lib/measure.ts'
import { PointScene } from '../lib/point-scene.ts'
import { cpuUsOf } from '../lib/process-cpu.ts'
import { caller, domainName, service } from '../lib/tokens.ts'
import { guideBlock } from '../../packages/edge/enforce/test/support/guides.ts'

const upstreamFile = fileURLToPath(new URL('../servers/upstream.ts', import.meta.url))
const endpointFile = fileURLToPath(new URL('../servers/verify-endpoint.ts', import.meta.url))
const requestsPerRound = 3_000
const warmRounds = 2
const rounds = 9
// It listens before it has its worker.
async function workerOf(master: number): Promise<number> {
  for (let tries = 0; tries < 500; tries++) {
    const [worker = ''] = readFileSync(`/proc/${master}/task/${master}/children`, 'latin1').trim().split(' ')
    if (worker !== '') return Number(worker)
    await sleep(20)
  }
  throw new Error('nginx has no worker')
}

const proxied = `proxy_http_version 1.1; proxy_set_header Connection ""; proxy_set_header Quantum-IP "";`

function configOf(
  directory: string,
  ports: { upstream: number; verifier: number },
): { http: string; server: string } {
  return {
    http: `keepalive_requests 100000000;
      upstream app { server 127.0.0.1:${ports.upstream}; keepalive 64; }
      upstream verifier { server 127.0.0.1:${ports.verifier}; keepalive 64; }
      js_path .; js_import quantumIp from quantum-ip.js; js_set $quantum_ip quantumIp.decide;
      js_var $quantum_ip_status; js_var $quantum_ip_reason; js_var $quantum_ip_subject; js_var $quantum_ip_tracestate;`,
    server: `set $quantum_ip_state ${directory}; set $quantum_ip_service ${service};
      location /plain { ${proxied} proxy_pass http://app; }
      location /inproxy {
        if ($quantum_ip != allow) { return 401; }
        ${proxied} proxy_set_header Quantum-IP-Status $quantum_ip_status; proxy_pass http://app;
      }
      ${askedLocation('verifier')}`,
  }
}

function askedLocation(name: string): string {
  return `location /${name} { auth_request /ask-${name}; ${proxied} proxy_pass http://app; }
    location = /ask-${name} {
      internal; proxy_pass http://${name}; proxy_http_version 1.1; proxy_set_header Connection "";
      proxy_pass_request_body off; proxy_set_header Content-Length ""; proxy_set_header X-Original-URI $request_uri;
    }`
}

const kinds = ['plain', 'inproxy', 'verifier', 'forward-auth'] as const
type Kind = (typeof kinds)[number]

/** nginx as its guide configures it, asking `qip serve --role forward-auth`. */
interface Guided {
  readonly worker: number
  /** The process that nginx asks. */
  readonly asked: number
  readonly load: HttpLoad
  readonly request: (at: number) => string
}

async function openGuided(stack: AsyncDisposableStack, nginx: Component, upstream: number): Promise<Guided> {
  const scene = stack.use(await PointScene.open())
  const point = await scene.startPoint('forward-auth')
  const places = { '127.0.0.1:8460': `127.0.0.1:${point.port}`, '127.0.0.1:9000': `127.0.0.1:${upstream}` }
  const proxy = stack.use(
    await openNginx(nginx, {
      http: `keepalive_requests 100000000;\n${guideBlock('nginx.md', 'nginx http', places)}`,
      server: guideBlock('nginx.md', 'nginx server'),
    }),
  )
  const load = stack.use(await HttpLoad.open(proxy.port, 32))
  const tokens = await scene.tokens(1_000)
  return {
    worker: await workerOf(proxy.running.pid),
    asked: point.pid,
    load,
    request: (at) =>
      `GET /v1/orders HTTP/1.1\r\nhost: shop.acme.example\r\nquantum-ip: ${tokens[at % tokens.length]}\r\n\r\n`,
  }
}

/** Compares them in one nginx, with tokens out of a full batch. */
export async function nginxInproxy(): Promise<Rows> {
  const nginx = await needComponent('nginx')
  const module = await needComponent('nginx-js')
  const skip = nginx.skip || module.skip
  if (skip !== false) return { nginx_inproxy: { value: 0, unit: `skipped: ${skip}` } }
  await using stack = new AsyncDisposableStack()
  leaveServerCore()
  const directory = await mkdtemp(join(tmpdir(), 'qip-bench-edge-'))
  stack.defer(() => rm(directory, { recursive: true, force: true }))
  const clock = { now: () => Date.now(), set: () => {}, advance: () => Date.now() }
  const domain = await createTestDomain({ td: domainName, clock })
  const claims = { sub: caller, aud: [service], bld: new Uint8Array(32).fill(7), bev: 2 as const }
  const tokens = (await domain.issue(Array.from({ length: 1_024 }, () => claims))).map(({ text }) => text)
  const writer = stack.use(await openEdgeStateWriter({ store: domain.store, directory }))
  await writer.write()
  const upstream = stack.use(await startServer<{ port: number }>(upstreamFile, [], 'client'))
  const verifier = stack.use(await startServer<{ port: number }>(endpointFile))
  await verifier.ask({ td: domain.td, service, pins: domain.pins, ...domain.published })
  const ports = { upstream: upstream.info.port, verifier: verifier.info.port }
  const { http, server } = configOf(directory, ports)
  const files = { 'quantum-ip.js': edgeScript('nginx') }
  const proxy = stack.use(
    await openNginx(nginx, { main: `load_module ${module.command};`, http, server, files }),
  )
  const worker = await workerOf(proxy.running.pid)
  const load = stack.use(await HttpLoad.open(proxy.port, 32))
  const guided = await openGuided(stack, nginx, upstream.info.port)
  const figures: Record<Kind, { cpuUs: number[]; perS: number[] }> = {
    plain: { cpuUs: [], perS: [] },
    inproxy: { cpuUs: [], perS: [] },
    verifier: { cpuUs: [], perS: [] },
    'forward-auth': { cpuUs: [], perS: [] },
  }
  const usedUs = async (): Promise<number> =>
    cpuUsOf(worker) + (await verifier.cpuUs()) + cpuUsOf(guided.worker) + cpuUsOf(guided.asked)
  const requestOf = (kind: Kind, at: number): string =>
    `GET /${kind} HTTP/1.1\r\nhost: shop.acme.example\r\nquantum-ip: ${tokens[at % tokens.length]}\r\n\r\n`
  for (let turn = -warmRounds; turn < rounds; turn++) {
    const first = Math.abs(turn) % kinds.length
    for (const kind of [...kinds.slice(first), ...kinds.slice(0, first)]) {
      const isGuided = kind === 'forward-auth'
      const requests = Array.from({ length: requestsPerRound }, (_, at) =>
        isGuided ? guided.request(at) : requestOf(kind, at),
      )
      const before = await usedUs()
      const started = performance.now()
      await (isGuided ? guided.load : load).send(requests)
      const seconds = (performance.now() - started) / 1_000
      const cpuUs = (await usedUs()) - before
      if (turn < 0) continue
      figures[kind].cpuUs.push(cpuUs / requestsPerRound)
      figures[kind].perS.push(requestsPerRound / seconds)
    }
  }
  const cpu = (kind: Kind): number => percentile(figures[kind].cpuUs, 0.5)
  const perS = (kind: Kind): number => percentile(figures[kind].perS, 0.5)
  return {
    nginx_inproxy: {
      value: round(cpu('inproxy')),
      unit: 'us CPU per request, nginx and what it asks',
      against: 'nginx auth_request to a verifier on node:http',
      ratio: round(cpu('verifier') / cpu('inproxy')),
      detail: {
        'auth_request us': round(cpu('verifier')),
        'forward-auth of the guide us': round(cpu('forward-auth')),
        'x forward-auth of the guide': round(cpu('forward-auth') / cpu('inproxy')),
        'plain nginx us': round(cpu('plain')),
        'in-proxy / plain': round(cpu('inproxy') / cpu('plain')),
        'auth_request / plain': round(cpu('verifier') / cpu('plain')),
        [`requests/s ${kinds.join(', ')}`]: kinds.map((kind) => Math.round(perS(kind))).join(' '),
        'token characters': tokens[0]?.length ?? 0,
      },
    },
  }
}
