// nginx_inproxy: what the check inside nginx costs, beside auth_request to a verifier, and beside nothing.
import { readFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { edgeScript, openEdgeStateWriter } from '@quantum-ip/inproxy'
import { createTestDomain } from '../../packages/core/verifier/test/fixture.ts'
import { openNginx } from '../../packages/edge/enforce/test/support/real-proxies.ts'
import { needComponent } from '../../scripts/real-components.ts'
import { leaveServerCore, startServer } from '../lib/child.ts'
import { HttpLoad } from '../lib/http-load.ts'
import { percentile, round, type Rows } from '../lib/measure.ts'
import { caller, domainName, service } from '../lib/tokens.ts'

const upstreamFile = fileURLToPath(new URL('../servers/upstream.ts', import.meta.url))
const endpointFile = fileURLToPath(new URL('../servers/verify-endpoint.ts', import.meta.url))
const requestsPerRound = 3_000
const warmRounds = 2
const rounds = 9
// The kernel counts processor time in these.
const tickUs = 10_000

/** Processor time that a process has used, microseconds. */
function cpuUsOf(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'latin1')
    .replace(/^.*\) /s, '')
    .split(' ')
  return (Number(fields[11]) + Number(fields[12])) * tickUs
}

function workerOf(master: number): number {
  return Number(readFileSync(`/proc/${master}/task/${master}/children`, 'latin1').trim().split(' ')[0])
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

const kinds = ['plain', 'inproxy', 'verifier'] as const
type Kind = (typeof kinds)[number]

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
  const worker = workerOf(proxy.running.pid)
  const load = stack.use(await HttpLoad.open(proxy.port, 32))
  const figures: Record<Kind, { cpuUs: number[]; perS: number[] }> = {
    plain: { cpuUs: [], perS: [] },
    inproxy: { cpuUs: [], perS: [] },
    verifier: { cpuUs: [], perS: [] },
  }
  const usedUs = async (): Promise<number> => cpuUsOf(worker) + (await verifier.cpuUs())
  const requestOf = (kind: Kind, at: number): string =>
    `GET /${kind} HTTP/1.1\r\nhost: shop.acme.example\r\nquantum-ip: ${tokens[at % tokens.length]}\r\n\r\n`
  for (let turn = -warmRounds; turn < rounds; turn++) {
    const first = Math.abs(turn) % kinds.length
    for (const kind of [...kinds.slice(first), ...kinds.slice(0, first)]) {
      const requests = Array.from({ length: requestsPerRound }, (_, at) => requestOf(kind, at))
      const before = await usedUs()
      const started = performance.now()
      await load.send(requests)
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
        'plain nginx us': round(cpu('plain')),
        'in-proxy / plain': round(cpu('inproxy') / cpu('plain')),
        'auth_request / plain': round(cpu('verifier') / cpu('plain')),
        [`requests/s ${kinds.join(', ')}`]: kinds.map((kind) => Math.round(perS(kind))).join(' '),
        'token characters': tokens[0]?.length ?? 0,
      },
    },
  }
}
