import assert from 'node:assert/strict'
import { type ChildProcess, fork } from 'node:child_process'
import { test } from 'node:test'
import type { ReplayOutcome } from '@quantum-ip/verifier'
import { needComponent } from '../../../../scripts/real-components.ts'
import { openCluster, openRedis, until } from './support/real-redis.ts'
import type { FromRacer, Race, ToRacer } from './support/racer.ts'

const redis = await needComponent('redis-server')
const { skip } = redis
const tokens = 10_000

interface Racing {
  readonly ready: Promise<void>
  readonly done: Promise<{ readonly outcomes: readonly ReplayOutcome[]; readonly unanswered: number }>
  begin(beginMs: number): void
  /** Resolves when about so many tokens were used. */
  reaches(index: number): Promise<void>
}

function start(race: Race): Racing {
  const child: ChildProcess = fork(new URL('support/racer.ts', import.meta.url), {
    execArgv: ['--conditions=quantum-ip-source'],
  })
  const tellTo = (word: ToRacer): void => void child.send(word)
  let at = -1
  const ready = Promise.withResolvers<void>()
  const done = Promise.withResolvers<Awaited<Racing['done']>>()
  child.on('message', (word: FromRacer) => {
    if ('ready' in word) ready.resolve()
    else if ('at' in word) at = Math.max(at, word.at)
    else done.resolve(word)
  })
  child.on('exit', (code) => done.reject(new Error(`a racer ended with ${code}`)))
  tellTo(race)
  return {
    ready: ready.promise,
    done: done.promise,
    begin: (beginMs) => tellTo({ beginMs }),
    reaches: (index) => until(() => at >= index),
  }
}

const isFresh = (outcome: ReplayOutcome | undefined): boolean => outcome === 'fresh'

/** How many verifiers accepted each token, and how many the one took that took fewer. */
async function race(
  options: Partial<Race> & Pick<Race, 'urls'>,
  during: (racer: Racing) => Promise<void> = async () => {},
): Promise<{ accepted: number[]; unanswered: number; fewer: number }> {
  const settings: Race = { tokens, perMs: 4, tries: 3, marginMs: 300, naive: false, lagMs: 0, ...options }
  const racers = [start({ ...settings, lagMs: 0 }), start(settings)] as const
  await Promise.all(racers.map(({ ready }) => ready))
  // The memory begins before the first token is issued.
  const beginMs = Date.now() + 300
  for (const racer of racers) racer.begin(beginMs)
  const done = Promise.all(racers.map((racer) => racer.done))
  await Promise.race([during(racers[0]), done])
  const results = await done
  return {
    accepted: Array.from(
      { length: tokens },
      (_, index) => results.filter(({ outcomes }) => isFresh(outcomes[index])).length,
    ),
    unanswered: results.reduce((sum, result) => sum + result.unanswered, 0),
    fewer: Math.min(...results.map(({ outcomes }) => outcomes.filter(isFresh).length)),
  }
}

function count(accepted: readonly number[], times: number): number {
  return accepted.filter((each) => each === times).length
}

test('two verifiers race for 10,000 tokens, and each is accepted exactly once', { skip }, async (t) => {
  await using server = await openRedis(redis)
  const { accepted, unanswered, fewer } = await race({ urls: server.url })
  t.diagnostic(`${fewer} of them by the one that won fewer; ${unanswered} uses without an answer`)
  assert.equal(count(accepted, 1), tokens)
  assert.ok(fewer > 100, 'they raced')
})

test(
  'two verifiers race for 10,000 tokens in a cluster of three primaries, and each is accepted exactly once',
  { skip },
  async (t) => {
    await using cluster = await openCluster(redis, 3)
    const { accepted, fewer } = await race({ urls: cluster.urls })
    const sizes = await Promise.all(cluster.nodes.map(async (node) => Number(await node.command('DBSIZE'))))
    t.diagnostic(`keys per primary: ${sizes.join(', ')}`)
    assert.equal(count(accepted, 1), tokens)
    assert.ok(fewer > 100, 'they raced')
    assert.ok(Math.min(...sizes) > 500, 'all primaries have a share')
  },
)

const memories = [
  { title: 'keeps nothing', args: [] },
  { title: 'writes every second', args: ['--appendonly', 'yes', '--appendfsync', 'everysec'] },
] as const

for (const { title, args } of memories) {
  for (const naive of [false, true]) {
    if (naive && args.length > 0) continue
    const what = naive
      ? 'a guard that only sets keys accepts tokens twice: the races find it'
      : 'no token is accepted twice'
    test(
      `where a Redis that ${title} is killed and started again during the race, ${what}`,
      { skip },
      async (t) => {
        await using server = await openRedis(redis, args)
        const { accepted, unanswered } = await race({ urls: server.url, naive, lagMs: 150 }, async (one) => {
          for (const at of [2_000, 5_000, 8_000]) {
            await one.reaches(at)
            await server.kill()
            await server.start()
          }
        })
        const [never, once, twice] = [0, 1, 2].map((times) => count(accepted, times))
        t.diagnostic(
          `accepted never ${never}, once ${once}, twice ${twice}; ${unanswered} uses without an answer`,
        )
        if (naive) assert.ok(Number(twice) > 0)
        else {
          assert.equal(twice, 0)
          assert.ok(Number(once) > 1_000, 'it raced before the first kill')
        }
      },
    )
  }
}
