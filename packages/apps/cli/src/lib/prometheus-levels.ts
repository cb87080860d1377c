import {
  type BurnWindow,
  burnWindows,
  type Counted,
  enforcedQuery,
  levelQuery,
  type ServiceLevel,
  serviceLevels,
  type Share,
  type SharesByWindow,
} from '@quantum-ip/telemetry'
import { CliError } from '../cli-errors.ts'
import type { CountedLevel, LevelSource } from './level-source.ts'

const timeoutMs = 20_000
const answerCharsMax = 8_000_000
const atOnce = 8

/** Whom to ask, and about which moment. */
interface Server {
  readonly url: URL
  /** Seconds since 1970. */
  readonly timeS: number
}

/** Values by service; by the empty name where the query is not by service. */
type Values = ReadonlyMap<string, number>

/**
 * What a Prometheus server has of the service levels, asked by its HTTP API over the series themselves: no recording rule has to be
 * there.
 *
 * @throws {CliError} `QIP_CLI_UNREACHABLE` · `QIP_CLI_USAGE` for an address that is none
 */
export async function prometheusLevels(address: string): Promise<LevelSource> {
  // All of it at one moment: what comes meanwhile would else be counted as failed, and not at all.
  const server = { url: urlOf(address), timeS: Date.now() / 1_000 }
  const enforced = await ask(server, enforcedQuery)
  const jobs = serviceLevels.flatMap((level) =>
    (Object.keys(burnWindows) as BurnWindow[]).map((window) => ({ level, window })),
  )
  const counted = new Map<string, ReadonlyMap<string, Share>>()
  await Promise.all(
    Array.from({ length: atOnce }, async () => {
      for (let job = jobs.pop(); job !== undefined; job = jobs.pop())
        counted.set(`${job.level.id} ${job.window}`, await sharesOf(server, job.level, job.window))
    }),
  )
  return {
    name: `Prometheus at ${server.url.origin}`,
    sinceMs: undefined,
    levels: serviceLevels.flatMap((level) => levelsOf(level, [...enforced.keys()], counted)),
    missing: [],
  }
}

function levelsOf(
  { id, of }: ServiceLevel,
  enforced: readonly string[],
  counted: ReadonlyMap<string, ReadonlyMap<string, Share>>,
): readonly CountedLevel[] {
  return (of === 'fleet' ? [''] : enforced).map((service) => {
    const entries = Object.keys(burnWindows).map((window) => [
      window,
      counted.get(`${id} ${window}`)?.get(service) ?? { bad: 0, total: 0 },
    ])
    return {
      id,
      service: of === 'fleet' ? undefined : service,
      shares: Object.fromEntries(entries) as SharesByWindow,
    }
  })
}

async function sharesOf(
  server: Server,
  level: ServiceLevel,
  window: BurnWindow,
): Promise<ReadonlyMap<string, Share>> {
  const { total, bad, good } = level.counts
  const values = (counted: Counted) => ask(server, levelQuery(level, counted, window))
  const all = await values(total)
  const part = bad ?? good
  const found: Values = part === undefined ? new Map<string, number>() : await values(part)
  return new Map(
    [...all].map(([service, count]) => {
      // What is estimated of two metrics need not fit together to the last one.
      const some = Math.min(count, found.get(service) ?? 0)
      return [service, { bad: bad === undefined ? count - some : some, total: count }]
    }),
  )
}

async function ask({ url, timeS }: Server, query: string): Promise<Values> {
  const response = await fetch(new URL('api/v1/query', url), {
    method: 'POST',
    body: new URLSearchParams({ query, time: timeS.toFixed(3) }),
    signal: AbortSignal.timeout(timeoutMs),
    redirect: 'error',
  }).catch((error: unknown) => {
    throw unreachable(url, error instanceof Error ? error.message : 'no answer', error)
  })
  const text = await response.text()
  if (text.length > answerCharsMax) throw unreachable(url, 'its answer is too long')
  const answer = parsed(text)
  if (!response.ok || answer.status !== 'success')
    throw unreachable(url, answer.error ?? `it answers with ${response.status}`)
  return new Map(
    (answer.data?.result ?? []).map(({ metric, value }) => {
      const number = Number(value?.[1])
      return [metric?.['service'] ?? '', Number.isFinite(number) && number > 0 ? number : 0]
    }),
  )
}

interface PrometheusAnswer {
  readonly status?: string
  readonly error?: string
  readonly data?: {
    readonly result?: readonly {
      readonly metric?: Readonly<Record<string, string>>
      readonly value?: readonly [number, string]
    }[]
  }
}

function parsed(text: string): PrometheusAnswer {
  try {
    return JSON.parse(text) as PrometheusAnswer
  } catch {
    return { error: 'its answer is no JSON' }
  }
}

function urlOf(address: string): URL {
  const url = URL.parse(address.endsWith('/') ? address : `${address}/`)
  if (url !== null && /^https?:$/.test(url.protocol)) return url
  throw new CliError('QIP_CLI_USAGE', {
    reason: `\`${address.slice(0, 128)}\` is no address of a Prometheus server`,
    next: 'write `http://127.0.0.1:9090`',
  })
}

function unreachable(url: URL, reason: string, cause?: unknown): CliError {
  return new CliError(
    'QIP_CLI_UNREACHABLE',
    {
      what: `Prometheus at \`${url.origin}\``,
      reason,
      next: 'check the address, and that it is a Prometheus server or speaks its HTTP API',
    },
    { cause },
  )
}
