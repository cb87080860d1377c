// revocation: from the order of a revocation to its effect at each of a hundred verifiers, with lost connections and a killed
// authority in between.
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { type BenchServer, leaveServerCore, startServer } from '../lib/child.ts'
import { percentile, round, type Rows } from '../lib/measure.ts'
import type { FollowersQuestion, FollowersStart, FollowerTimes } from '../servers/followers.ts'
import type { RevocationAuthorityInfo, RevocationAuthorityStart } from '../servers/revocation-authority.ts'

const authorityFile = fileURLToPath(new URL('../servers/revocation-authority.ts', import.meta.url))
const followersFile = fileURLToPath(new URL('../servers/followers.ts', import.meta.url))

const verifiers = 100
const processes = 4
const revocations = 1_000
/** Orders per second: the followers of one core verify a hundred states for each. */
const perS = 15
/** After so many, a quarter of the verifiers lose their connections; then the authority is killed and started again. */
const cutAt = 300
const killAt = 600
/** Orders within so long after one of the two are disturbed by it: whoever lost the feed has the state again with the next poll. */
const disturbedMs = 10_000

interface Order {
  readonly epoch: number
  readonly orderedMs: number
  readonly disturbed: boolean
}

type Authority = BenchServer<RevocationAuthorityInfo>

/** 100 verifiers, 1,000 revocations. */
export async function revocation(): Promise<Rows> {
  leaveServerCore()
  const folder = await mkdtemp(join(tmpdir(), 'qip-bench-revocation-'))
  let authority = await startAuthority({ folder, port: 0, members: verifiers })
  const { url, td, tokens, pins } = authority.info
  const share = verifiers / processes
  const fleet = await Promise.all(
    Array.from({ length: processes }, (_, nth) => {
      const start: FollowersStart = { url, td, pins, tokens: tokens.slice(nth * share, (nth + 1) * share) }
      return startServer(followersFile, [JSON.stringify(start)], 'client')
    }),
  )
  const orders: Order[] = []
  let disturbedUntil = 0
  const startedMs = Date.now()
  let pausedMs = 0
  for (let nth = 0; nth < revocations; nth++) {
    if (nth === cutAt || nth === killAt) {
      const at = Date.now()
      if (nth === cutAt) await fleet[0]?.ask({ ask: 'cut' } satisfies FollowersQuestion)
      else authority = await restart(authority, { folder, port: Number(new URL(url).port), members: 0 })
      pausedMs += Date.now() - at
      disturbedUntil = Date.now() + disturbedMs
    }
    await sleep(Math.max(0, startedMs + pausedMs + (nth * 1_000) / perS - Date.now()))
    const orderedMs = Date.now()
    const { epoch } = (await authority.ask({})) as { epoch: number }
    orders.push({ epoch, orderedMs, disturbed: orderedMs < disturbedUntil })
  }
  await settled(fleet)
  const times = (await Promise.all(
    fleet.map((process) => process.ask({ ask: 'times' } satisfies FollowersQuestion)),
  )) as FollowerTimes[]
  for (const process of [...fleet, authority]) await process[Symbol.asyncDispose]()
  await rm(folder, { recursive: true, force: true })
  return rowOf(orders, times.flat())
}

function startAuthority(start: RevocationAuthorityStart): Promise<Authority> {
  return startServer<RevocationAuthorityInfo>(authorityFile, [JSON.stringify(start)])
}

async function restart(authority: Authority, start: RevocationAuthorityStart): Promise<Authority> {
  await authority.kill()
  return startAuthority(start)
}

/** Until every verifier holds the last epoch, or for half a minute. */
async function settled(fleet: readonly BenchServer<unknown>[]): Promise<void> {
  const deadline = Date.now() + 30_000
  while (Date.now() < deadline) {
    const epochs = await Promise.all(
      fleet.map((process) => process.ask({ ask: 'epochs' } satisfies FollowersQuestion)),
    )
    if ((epochs as number[][]).flat().every((epoch) => epoch >= revocations)) return
    await sleep(200)
  }
}

function rowOf(orders: readonly Order[], times: FollowerTimes): Rows {
  const reached = ({ epoch, orderedMs }: Order): number[] =>
    times.flatMap((follower) => {
      const at = follower[epoch - 1]
      return at === undefined || at === 0 ? [] : [Math.max(0, at - orderedMs)]
    })
  const all = orders.flatMap((order) => reached(order))
  const quiet = orders.filter(({ disturbed }) => !disturbed).flatMap((order) => reached(order))
  const lost = orders.length * times.length - all.length
  const p99 = percentile(quiet, 0.99)
  return {
    revocation: {
      value: round(p99),
      unit: 'ms p99, order to effect, 100 verifiers, 1,000 revocations',
      bar: 'p99 <= 1 s, none lost',
      reached: p99 <= 1_000 && lost === 0,
      detail: {
        p50: round(percentile(quiet, 0.5)),
        'p99 with the cut and the kill': round(percentile(all, 0.99)),
        'last after these': round(percentile(all, 1)),
        lost,
        reached: all.length,
      },
    },
  }
}
