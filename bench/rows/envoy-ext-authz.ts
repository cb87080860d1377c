// envoy_ext_authz: what it costs to have Envoy ask our endpoint, beside asking OPA about a JWT, and beside asking nobody.
import { needComponent } from '../../scripts/real-components.ts'
import { leaveServerCore } from '../lib/child.ts'
import {
  type BenchEnvoy,
  openGrpcChecked,
  openOpaChecked,
  openHttpChecked,
  openPlain,
} from '../lib/envoy-checks.ts'
import { percentile, round, type Rows } from '../lib/measure.ts'
import { openOpaCheck } from '../lib/opa-check.ts'
import { PointScene } from '../lib/point-scene.ts'
import { cpuUsOf } from '../lib/process-cpu.ts'
import { TimedLoad } from '../lib/timed-load.ts'

const connections = 64
const callers = 512
const rounds = 7
const warmRounds = 2
const requestsPerRound = 4_000
const pacedRounds = 8
const pacedS = 2
// Of what OPA takes when it has nothing else to do.
const pacedShare = 0.4

/** One of those that are compared: an Envoy, and whom it asks. */
interface Contender {
  readonly name: string
  readonly envoy: BenchEnvoy
  /** The process that Envoy asks; absent: none. */
  readonly asked?: number
  readonly load: TimedLoad
  /** Requests of a round. */
  readonly requests: (count: number) => Promise<readonly string[]>
}

/** What was measured of one, a figure for each round. */
interface Figures {
  readonly perS: number[]
  readonly p99: number[]
  readonly envoyUs: number[]
  readonly askedUs: number[]
  /** Milliseconds of each request at the steady rate. */
  readonly paced: number[]
}

function requestOf(field: string): string {
  const fields = [
    'GET /v1/orders/17?expand=items HTTP/1.1',
    'host: shop.acme.example',
    'user-agent: checkout/2.4 (node)',
    'accept: application/json',
    'accept-encoding: gzip, br',
    'x-request-id: 7b1c2f5e-66a0-4a3b-9c5e-0d7f6a1b2c3d',
    field,
  ]
  return `${fields.join('\r\n')}\r\n\r\n`
}

/** Draws from a fleet of callers, each with one field that it always sends. */
function fromFleet(fields: readonly string[]): Contender['requests'] {
  const requests = fields.map(requestOf)
  return (count) =>
    Promise.resolve(Array.from({ length: count }, (_, at) => requests[at % requests.length] as string))
}

async function openContenders(stack: AsyncDisposableStack): Promise<readonly Contender[] | string> {
  const envoy = await needComponent('envoy')
  const opa = await needComponent('opa-envoy-plugin')
  const skip = envoy.skip || opa.skip
  if (skip !== false) return skip
  const scene = stack.use(await PointScene.open())
  const point = await scene.startPoint('forward-auth')
  const grpc = await scene.startPoint('ext-authz')
  const many = (await scene.tokens(callers)).map((token) => `quantum-ip: ${token}`)
  const once: Contender['requests'] = async (count) =>
    (await scene.tokens(count, { oneTime: true })).map((token) => requestOf(`quantum-ip: ${token}`))
  const contender = async (
    name: string,
    opened: Promise<BenchEnvoy>,
    { asked, requests }: { readonly asked?: number; readonly requests: Contender['requests'] },
  ): Promise<Contender> => {
    const running = stack.use(await opened)
    const load = stack.use(await TimedLoad.open(running.port, connections))
    return { name, envoy: running, load, requests, ...(asked !== undefined && { asked }) }
  }
  const withOpa = async (name: string): Promise<Contender> => {
    const check = stack.use(await openOpaCheck(opa, callers))
    const requests = fromFleet(check.jwts.map((jwt) => `authorization: Bearer ${jwt}`))
    return contender(name, openOpaChecked(envoy, check.port), { asked: check.pid, requests })
  }
  return [
    await contender('plain', openPlain(envoy), { requests: fromFleet(many) }),
    await contender('http', openHttpChecked(envoy, point.port), {
      asked: point.pid,
      requests: fromFleet(many),
    }),
    await contender('http once', openHttpChecked(envoy, point.port), { asked: point.pid, requests: once }),
    await contender('grpc', openGrpcChecked(envoy, grpc.port), {
      asked: grpc.pid,
      requests: fromFleet(many),
    }),
    await withOpa('opa'),
  ]
}

async function saturate({ load, envoy, asked, requests }: Contender, figures?: Figures): Promise<void> {
  const sent = await requests(requestsPerRound)
  const before = { envoy: cpuUsOf(envoy.pid), asked: asked === undefined ? 0 : cpuUsOf(asked) }
  const started = performance.now()
  const took = await load.saturate(sent)
  const seconds = (performance.now() - started) / 1_000
  if (figures === undefined) return
  figures.perS.push(sent.length / seconds)
  figures.p99.push(percentile(took, 0.99))
  figures.envoyUs.push((cpuUsOf(envoy.pid) - before.envoy) / sent.length)
  figures.askedUs.push(asked === undefined ? 0 : (cpuUsOf(asked) - before.asked) / sent.length)
}

async function compare(
  contenders: readonly Contender[],
): Promise<{ readonly figures: ReadonlyMap<string, Figures>; readonly perS: number }> {
  const figures = new Map<string, Figures>(
    contenders.map(({ name }) => [name, { perS: [], p99: [], envoyUs: [], askedUs: [], paced: [] }]),
  )
  for (let turn = -warmRounds; turn < rounds; turn++) {
    for (const each of inTurn(contenders, turn))
      await saturate(each, turn < 0 ? undefined : figures.get(each.name))
  }
  const perS = Math.floor((percentile(figures.get('opa')?.perS ?? [], 0.5) * pacedShare) / 100) * 100
  for (let turn = 0; turn < pacedRounds; turn++) {
    for (const { name, load, requests } of inTurn(contenders, turn)) {
      figures.get(name)?.paced.push(...(await load.pace(await requests(perS * pacedS), perS)))
    }
  }
  return { figures, perS }
}

/** A B C, B C A, C A B: a change of the machine's speed meets all of them alike. */
function inTurn(contenders: readonly Contender[], turn: number): readonly Contender[] {
  const first = Math.abs(turn) % contenders.length
  return [...contenders.slice(first), ...contenders.slice(0, first)]
}

/** Compares them. Envoy and whom it asks share a core; the load has the other one to itself. */
export async function envoyExtAuthz(): Promise<Rows> {
  await using stack = new AsyncDisposableStack()
  const contenders = await openContenders(stack)
  if (typeof contenders === 'string') return { envoy_ext_authz: { value: 0, unit: `skipped: ${contenders}` } }
  leaveServerCore()
  const { figures, perS } = await compare(contenders)
  const of = (name: string): Figures => figures.get(name) as Figures
  const median = (name: string, what: keyof Figures): number => percentile(of(name)[what], 0.5)
  const times = (name: string): number => median(name, 'perS') / median('opa', 'perS')
  const paced = (name: string, share: number): number => percentile(of(name).paced, share)
  const tails = {
    saturated: median('http', 'p99') / median('opa', 'p99'),
    paced: paced('http', 0.99) / paced('opa', 0.99),
  }
  const cpu = (name: string): number => median(name, 'envoyUs') + median(name, 'askedUs')
  const names = contenders.map(({ name }) => name)
  const added = names
    .slice(1)
    .map((name) => [
      `${name} adds us p50 p99 p99.9`,
      [0.5, 0.99, 0.999]
        .map((share) => round((paced(name, share) - paced('plain', share)) * 1_000))
        .join(' '),
    ])
  return {
    envoy_grpc: {
      value: round(median('grpc', 'perS')),
      unit: 'requests/s, Envoy and our gRPC endpoint on one core',
      against: 'Envoy and OPA verifying an ES256 JWT',
      ratio: round(times('grpc')),
      bar: '>= 1.5 x',
      reached: times('grpc') >= 1.5,
      detail: { 'x by CPU of both processes': round(cpu('opa') / cpu('grpc')) },
    },
    envoy_ext_authz: {
      value: round(median('http', 'perS')),
      unit: 'requests/s, Envoy and our HTTP endpoint on one core',
      against: 'Envoy and OPA verifying an ES256 JWT',
      ratio: round(times('http')),
      bar: '>= 3 x at p99 <= 1/3',
      reached: times('http') >= 3 && Math.max(tails.saturated, tails.paced) <= 1 / 3,
      detail: {
        'p99 as a share of its p99, saturated': round(tails.saturated),
        [`at ${perS}/s`]: round(tails.paced),
        'x by CPU of both processes': round(cpu('opa') / cpu('http')),
        'one-time x': round(times('http once')),
        'one-time x by CPU': round(cpu('opa') / cpu('http once')),
        [`requests/s ${names.join(', ')}`]: names.map((name) => round(median(name, 'perS'))).join(' '),
        'spread %': names.map((name) => round(spread(of(name).perS) * 100)).join(' '),
        'saturated p99 ms': names.map((name) => round(median(name, 'p99'))).join(' '),
        'Envoy cpu us': names.map((name) => round(median(name, 'envoyUs'))).join(' '),
        'asked cpu us': names.map((name) => round(median(name, 'askedUs'))).join(' '),
        [`at ${perS}/s plain us p50 p99 p99.9`]: [0.5, 0.99, 0.999]
          .map((share) => round(paced('plain', share) * 1_000))
          .join(' '),
        ...Object.fromEntries(added),
      },
    },
  }
}

/** Half of the middle half, as a share of the median: the machine's noise. */
function spread(values: readonly number[]): number {
  return (percentile(values, 0.75) - percentile(values, 0.25)) / 2 / percentile(values, 0.5)
}
