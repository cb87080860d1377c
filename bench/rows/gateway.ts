// gateway_share, gateway_plain: processor time of the proxy's process for each request.
import { fileURLToPath } from 'node:url'
import { createTestDomain, type TestDomain } from '../../packages/core/verifier/test/fixture.ts'
import { type BenchServer, leaveServerCore, startServer } from '../lib/child.ts'
import { HttpLoad } from '../lib/http-load.ts'
import { percentile, round, type Rows } from '../lib/measure.ts'
import { caller, domainName, service } from '../lib/tokens.ts'
import type { GatewayStart, TrustNews } from '../servers/gateway.ts'

const gatewayFile = fileURLToPath(new URL('../servers/gateway.ts', import.meta.url))
const httpProxyFile = fileURLToPath(new URL('../servers/http-proxy.ts', import.meta.url))
const upstreamFile = fileURLToPath(new URL('../servers/upstream.ts', import.meta.url))

const build = new Uint8Array(32).fill(7)
const connections = 64
/** Many-use tokens in use at once. */
const fleetTokens = 10_000
const requestsPerRound = 6_000
const warmRounds = 8
const rounds = 11

interface Listening {
  readonly port: number
}

/** One of several proxies that are compared, and what is sent to it. */
interface Contender {
  readonly server: BenchServer<unknown>
  readonly load: HttpLoad
  /** The requests of one round. */
  readonly requests: (count: number) => Promise<readonly string[]>
}

/** Processor time and rate of one contender, a figure for each round. */
interface Figures {
  readonly cpuUs: number[]
  readonly perS: number[]
}

/** A request as an HTTP client sends it; the token is what varies. */
function requestOf(token: string | undefined): string {
  const fields = [
    'GET /v1/orders/17?expand=items HTTP/1.1',
    'host: shop.acme.example',
    'user-agent: checkout/2.4 (node)',
    'accept: application/json',
    'accept-encoding: gzip, br',
    'x-request-id: 7b1c2f5e-66a0-4a3b-9c5e-0d7f6a1b2c3d',
    ...(token === undefined ? [] : [`quantum-ip: ${token}`]),
  ]
  return `${fields.join('\r\n')}\r\n\r\n`
}

/** Lets the contenders take turns, A B C B C A, so that a change of the machine's speed meets all of them alike. */
async function compare<Name extends string>(
  contenders: Readonly<Record<Name, Contender>>,
): Promise<Readonly<Record<Name, Figures>>> {
  const names = Object.keys(contenders) as Name[]
  const figures = Object.fromEntries(
    names.map((name) => [name, { cpuUs: [], perS: [] }]),
  ) as unknown as Record<Name, Figures>
  for (let turn = -warmRounds; turn < rounds; turn++) {
    const first = Math.abs(turn) % names.length
    for (const name of [...names.slice(first), ...names.slice(0, first)]) {
      const { cpuUs, perS } = await measure(contenders[name])
      if (turn < 0) continue
      figures[name].cpuUs.push(cpuUs)
      figures[name].perS.push(perS)
    }
  }
  return figures
}

async function measure({
  server,
  load,
  requests,
}: Contender): Promise<{ readonly cpuUs: number; readonly perS: number }> {
  const sent = await requests(requestsPerRound)
  const before = await server.cpuUs()
  const started = performance.now()
  await load.send(sent)
  const seconds = (performance.now() - started) / 1_000
  return { cpuUs: ((await server.cpuUs()) - before) / sent.length, perS: sent.length / seconds }
}

/** Compares two contenders round by round: the median of the rounds' quotients, and half of the middle half. */
function quotient(above: Figures, below: Figures): { readonly median: number; readonly spread: number } {
  const each = above.cpuUs.map((value, turn) => value / (below.cpuUs[turn] ?? Number.NaN))
  return { median: percentile(each, 0.5), spread: (percentile(each, 0.75) - percentile(each, 0.25)) / 2 }
}

const median = (values: readonly number[]): number => percentile(values, 0.5)

/** Issues tokens as the figures assume them, and hands the states that list their heads to the gateway that will see them. */
class TokenIssuer {
  readonly #domain: TestDomain
  readonly #att: readonly [number, number]
  readonly evidence: string
  #statesSent = 0

  private constructor(domain: TestDomain, att: readonly [number, number], evidence: string) {
    this.#domain = domain
    this.#att = att
    this.evidence = evidence
  }

  static async open(): Promise<TokenIssuer> {
    // A domain in real time: servers in other processes go by the system's clock.
    const clock = { now: () => Date.now(), set: () => {}, advance: () => Date.now() }
    const domain = await createTestDomain({ td: domainName, clock })
    const { att, index } = await domain.registry.attest({ build })
    const evidence = await domain.registry.evidence(index)
    if (evidence === undefined) throw new Error('no evidence')
    return new TokenIssuer(domain, att, evidence)
  }

  get start(): GatewayStart {
    return { td: this.#domain.td, service, pins: this.#domain.pins, evidence: this.evidence }
  }

  get documents(): Omit<TrustNews, 'states'> {
    const { roots, bundles } = this.#domain.published
    return { roots, bundles }
  }

  /** A state of now: what was issued before it counts as used where a gateway has just begun. */
  publish(): Promise<void> {
    return this.#domain.publish()
  }

  /** Every state since the last time. */
  news(): readonly string[] {
    const { states } = this.#domain.published
    const from = this.#statesSent
    this.#statesSent = states.length
    return states.slice(from)
  }

  async issue(count: number, use: 'once' | 'many'): Promise<readonly string[]> {
    const iat = Math.floor(Date.now() / 1_000)
    const claims = {
      sub: caller,
      aud: [service],
      iat,
      exp: iat + (use === 'once' ? 120 : 3_000),
      bld: build,
      bev: 1 as const,
      att: this.#att,
      ...(use === 'once' && { use: 1 as const }),
    }
    const texts: string[] = []
    while (texts.length < count) {
      const batch = Array.from({ length: Math.min(1_024, count - texts.length) }, () => claims)
      for (const { text } of await this.#domain.issue(batch)) texts.push(text)
    }
    return texts
  }
}

/** Things that are closed together, the last one first. */
const open = async <T>(act: (stack: AsyncDisposableStack) => Promise<T>): Promise<T> => {
  leaveServerCore()
  await using stack = new AsyncDisposableStack()
  return await act(stack)
}

async function openUpstream(stack: AsyncDisposableStack): Promise<string> {
  const { info } = stack.use(await startServer<Listening>(upstreamFile, [], 'client'))
  return String(info.port)
}

/** A proxy that does not verify: everything that it is sent passes. */
async function openUnverified(
  stack: AsyncDisposableStack,
  args: readonly [string, ...string[]],
  token?: string,
): Promise<Contender> {
  const [file, ...rest] = args
  const server = stack.use(await startServer<Listening>(file, rest))
  const load = stack.use(await HttpLoad.open(server.info.port, connections))
  const request = requestOf(token)
  return { server, load, requests: (count) => Promise.resolve(Array.from({ length: count }, () => request)) }
}

/** The gateway with its verifier, and tokens for it: every request has its own, or one of a fleet's. */
async function openVerified(
  stack: AsyncDisposableStack,
  upstream: string,
  use: 'once' | 'many',
): Promise<Contender> {
  const server = stack.use(await startServer(gatewayFile, [upstream, 'verified']))
  const issuer = await TokenIssuer.open()
  const { port } = (await server.ask(issuer.start)) as Listening
  await issuer.publish()
  await server.ask({ ...issuer.documents, states: issuer.news() })
  const load = stack.use(await HttpLoad.open(port, connections))
  const fleet = use === 'many' ? (await issuer.issue(fleetTokens, use)).map(requestOf) : []
  await server.ask({ states: issuer.news() })
  return {
    server,
    load,
    async requests(count) {
      if (use === 'many')
        return Array.from({ length: count }, () => fleet[Math.floor(Math.random() * fleet.length)] as string)
      const tokens = await issuer.issue(count, use)
      await server.ask({ states: issuer.news() })
      return tokens.map(requestOf)
    },
  }
}

/** What verification leaves of the gateway: the same requests, with and without it. */
export function gatewayShare(): Promise<Rows> {
  return open(async (stack) => {
    const upstream = await openUpstream(stack)
    const [sample] = await (await TokenIssuer.open()).issue(1, 'many')
    const figures = await compare({
      plain: await openUnverified(stack, [gatewayFile, upstream, 'plain'], sample),
      once: await openVerified(stack, upstream, 'once'),
      many: await openVerified(stack, upstream, 'many'),
    })
    const once = quotient(figures.plain, figures.once)
    const many = quotient(figures.plain, figures.many)
    return {
      gateway_share: {
        value: round(once.median),
        unit: 'share of CPU, one-time',
        against: 'the gateway without verification',
        bar: '>= 0.7 one-time, >= 0.88 many-use',
        reached: once.median >= 0.7 && many.median >= 0.88,
        detail: {
          'many-use': round(many.median),
          spread: `${round(once.spread)}, ${round(many.spread)}`,
          'cpu us plain': round(median(figures.plain.cpuUs)),
          'one-time': round(median(figures.once.cpuUs)),
          'many-use us': round(median(figures.many.cpuUs)),
          'requests/s': [figures.plain, figures.once, figures.many]
            .map(({ perS }) => Math.round(median(perS)))
            .join(' '),
        },
      },
    }
  })
}

/** The relay by itself, beside a proxy that people use. */
export function gatewayPlain(): Promise<Rows> {
  return open(async (stack) => {
    const upstream = await openUpstream(stack)
    const figures = await compare({
      ours: await openUnverified(stack, [gatewayFile, upstream, 'plain']),
      peer: await openUnverified(stack, [httpProxyFile, upstream]),
    })
    const { median: ratio, spread } = quotient(figures.peer, figures.ours)
    return {
      gateway_plain: {
        value: round(median(figures.ours.cpuUs)),
        unit: 'us CPU per request',
        against: 'http-proxy-3',
        ratio: round(ratio),
        bar: '>= 1.7 x cheaper',
        reached: ratio >= 1.7,
        detail: {
          'http-proxy-3 us': round(median(figures.peer.cpuUs)),
          spread: round(spread),
          'requests/s': [figures.ours, figures.peer].map(({ perS }) => Math.round(median(perS))).join(' '),
        },
      },
    }
  })
}
