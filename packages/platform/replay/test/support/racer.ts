// One verifier's process of the races: uses each token soon after it was issued, some at a time, and says what came of each.
import { createClient } from '@redis/client'
import type { OneTimeUse, ReplayOutcome } from '@quantum-ip/verifier'
import { openRedisGuard } from '../../src/index.ts'
import { origin } from './told.ts'

/** What a racer is started with. */
export interface Race {
  readonly urls: string
  readonly tokens: number
  /** How many tokens are issued in a millisecond. */
  readonly perMs: number
  /** How often a token is used again whose use had no answer. */
  readonly tries: number
  readonly marginMs: number
  /** How long after the other verifier this one sees each token. */
  readonly lagMs: number
  /** Without what makes it safe: the bug that the races must find. */
  readonly naive: boolean
}

/** What is said to a racer: to get ready, and when the first token is issued. */
export type ToRacer = Race | { readonly beginMs: number }

/** What a racer says: that it is ready, how far it is, and in the end the outcome of each token and how many uses had no answer. */
export type FromRacer =
  | { readonly ready: true }
  | { readonly at: number }
  | { readonly outcomes: readonly ReplayOutcome[]; readonly unanswered: number }

interface Racer {
  consume(use: OneTimeUse): ReplayOutcome | Promise<ReplayOutcome>
  close(): void
}

const lanes = 40
const say = (word: FromRacer): void => void process.send?.(word)
const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

async function openRacer({ urls, naive, marginMs, perMs }: Race, beginMs: Promise<number>): Promise<Racer> {
  if (naive) return openNaive(urls)
  const guard = await openRedisGuard({ redis: { urls }, timeoutMs: 1_000, marginMs, floorSkewMs: 0 })
  let firstMs = Number.POSITIVE_INFINITY
  void beginMs.then((ms) => {
    firstMs = ms
  })
  // The states of an authority on this machine: how many tokens there are by now.
  const timer = setInterval(() => {
    const timeMs = Date.now()
    const size = Math.max(0, Math.ceil((timeMs - firstMs) * perMs))
    guard.observe({ timeMs, logs: new Map([[origin, { size }]]) })
  }, 20)
  return {
    consume: (use) => guard.consume(use),
    close() {
      clearInterval(timer)
      guard.close()
    },
  }
}

function openNaive(url: string): Racer {
  const client = createClient({ url, disableOfflineQueue: true, socket: { reconnectStrategy: () => 20 } })
  client.on('error', () => {})
  client.connect().catch(() => {})
  return {
    consume: ({ index }) =>
      client.sendCommand(['SET', `naive/${index}`, '1', 'NX', 'EX', '60']).then(
        (reply) => (reply === null ? 'replayed' : 'fresh'),
        () => 'unavailable',
      ),
    close: () => client.destroy(),
  }
}

async function run(race: Race, begin: Promise<number>): Promise<void> {
  const racer = await openRacer(race, begin)
  say({ ready: true })
  const beginMs = await begin
  const outcomes: ReplayOutcome[] = Array.from({ length: race.tokens }, () => 'unavailable')
  let unanswered = 0
  let next = 0
  const useUp = async (index: number): Promise<void> => {
    const issuedMs = beginMs + index / race.perMs
    const dueMs = issuedMs + race.lagMs
    if (dueMs > Date.now()) await sleep(dueMs - Date.now() + 1)
    const issuedS = Math.floor(issuedMs / 1_000)
    const token = {
      log: origin,
      index,
      issuedS,
      expiresS: issuedS + 60,
      requestId: undefined,
      proxy: undefined,
    }
    for (let tries = 0; tries < race.tries && outcomes[index] === 'unavailable'; tries++) {
      if (tries > 0) await sleep(20)
      outcomes[index] = await racer.consume({ ...token, nowMs: Date.now() })
      if (outcomes[index] === 'unavailable') unanswered += 1
    }
    if (index % 50 === 0) say({ at: index })
  }
  const lane = async (): Promise<void> => {
    while (next < race.tokens) await useUp(next++)
  }
  await Promise.all(Array.from({ length: lanes }, lane))
  racer.close()
  say({ outcomes, unanswered })
  process.disconnect?.()
}

// Without the test there is nobody to race for.
process.on('disconnect', () => process.exit())
const begin = Promise.withResolvers<number>()
process.on('message', (word: ToRacer) => {
  if ('beginMs' in word) begin.resolve(word.beginMs)
  else void run(word, begin.promise)
})
