import assert from 'node:assert/strict'
import { test } from 'node:test'
import { seeded } from '@quantum-ip/testing'
import type { OneTimeUse, ReplayGuard, ReplayOutcome } from '../src/index.ts'

/** A guard whose memory begins now, and that has seen no trust state yet. */
export interface ContractScene {
  readonly guard: ReplayGuard
  /** When its memory began; milliseconds. */
  readonly beganMs: number
  close(): Promise<void>
}

/** What a guard is opened with. */
export interface ContractOptions {
  readonly retryWindowMs: number
}

/** A guard that is to keep the contract. */
export interface ContractGuard {
  /** Stands in the titles. */
  readonly name: string
  /** Why it cannot be tested here. */
  readonly skip: string | false
  open(options: ContractOptions): Promise<ContractScene>
}

const origin = 'acme.example/tokens/1'

class Bench {
  readonly scene: ContractScene

  constructor(scene: ContractScene) {
    this.scene = scene
  }

  observe(afterMs: number, logs: readonly (readonly [string, number])[]): void {
    const sizes = new Map(logs.map(([name, size]) => [name, { size }]))
    this.scene.guard.observe({ timeMs: this.scene.beganMs + afterMs, logs: sizes })
  }

  async use(index: number, changes: Partial<OneTimeUse> = {}): Promise<ReplayOutcome> {
    const { beganMs, guard } = this.scene
    const beganS = Math.ceil(beganMs / 1_000)
    return guard.consume({
      log: origin,
      index,
      issuedS: beganS + 2,
      expiresS: beganS + 62,
      nowMs: beganMs,
      requestId: undefined,
      proxy: undefined,
      ...changes,
    })
  }
}

/** What every replay guard promises, whatever remembers for it: one body of tests for all of them. */
// oxlint-disable-next-line max-lines-per-function -- a list of tests, as in a file of them
export function testReplayGuard(subject: ContractGuard): void {
  const contract = (
    title: string,
    body: (bench: Bench) => Promise<void>,
    options: Partial<ContractOptions & { unobserved: boolean }> = {},
  ): void => {
    void test(`${subject.name} ${title}`, { skip: subject.skip }, async () => {
      const scene = await subject.open({ retryWindowMs: options.retryWindowMs ?? 0 })
      try {
        const bench = new Bench(scene)
        if (options.unobserved !== true) bench.observe(2_000, [[origin, 0]])
        await body(bench)
      } finally {
        await scene.close()
      }
    })
  }

  contract('accepts a token once', async (bench) => {
    assert.equal(await bench.use(7), 'fresh')
    assert.equal(await bench.use(7), 'replayed')
    assert.equal(await bench.use(8), 'fresh')
  })

  contract('accepts a token once of many uses at the same time', async (bench) => {
    const outcomes = await Promise.all(Array.from({ length: 50 }, () => bench.use(7)))
    assert.deepEqual(outcomes.toSorted(), ['fresh', ...Array.from({ length: 49 }, () => 'replayed')])
  })

  contract('keeps equal indexes of two logs, and far indexes of one, apart', async (bench) => {
    const far = [5, 5 + 2 ** 31, 5 + 2 ** 32, 5 + 2 ** 41, 2 ** 48 - 1]
    const logs = [origin, 'acme.example/tokens/2', 'acme.example/tokens/22']
    for (const expected of ['fresh', 'replayed']) {
      for (const log of logs) {
        for (const index of far) assert.equal(await bench.use(index, { log }), expected, `${log} ${index}`)
      }
    }
  })

  contract('agrees with a set of indexes, whatever the order', async (bench) => {
    const random = seeded('contract')
    const seen = new Set<string>()
    const beganS = Math.ceil(bench.scene.beganMs / 1_000)
    for (let n = 0; n < 600; n++) {
      const log = `acme.example/tokens/${random.integer(1, 3)}`
      const index = random.integer(0, 100)
      const name = `${log} ${index}`
      const expiresS = beganS + 40 + index
      assert.equal(await bench.use(index, { log, expiresS }), seen.has(name) ? 'replayed' : 'fresh', name)
      seen.add(name)
    }
  })

  contract(
    'answers nothing before a state younger than its memory has set the floors',
    async (bench) => {
      assert.equal(bench.scene.guard.ready(), false)
      assert.equal(await bench.use(100), 'unavailable')
      bench.observe(-5_000, [[origin, 100]])
      assert.equal(await bench.use(100), 'unavailable')
      bench.observe(2_000, [[origin, 100]])
      assert.equal(bench.scene.guard.ready(), true)
      assert.equal(await bench.use(100), 'fresh')
    },
    { unobserved: true },
  )

  contract(
    'refuses what a log held when its memory began, and never raises or lowers a floor',
    async (bench) => {
      bench.observe(2_000, [[origin, 100]])
      bench.observe(3_000, [[origin, 5]])
      bench.observe(4_000, [[origin, 200]])
      for (const index of [0, 5, 99]) assert.equal(await bench.use(index), 'unavailable', String(index))
      for (const index of [100, 150]) assert.equal(await bench.use(index), 'fresh', String(index))
    },
    { unobserved: true },
  )

  contract(
    'refuses a token from before its memory in a log that the first state did not list',
    async (bench) => {
      const log = 'acme.example/tokens/9'
      const beganS = Math.ceil(bench.scene.beganMs / 1_000)
      assert.equal(await bench.use(7, { log, issuedS: beganS - 2 }), 'unavailable')
      assert.equal(await bench.use(7, { log, issuedS: beganS + 1 }), 'fresh')
    },
  )

  contract(
    'lets the same request of the same named proxy come again',
    async (bench) => {
      const first = { requestId: 'r1', proxy: 'edge-1' }
      assert.equal(await bench.use(7, first), 'fresh')
      for (const [changes, outcome] of [
        [first, 'retry'],
        [first, 'retry'],
        [{ ...first, requestId: 'r2' }, 'replayed'],
        [{ ...first, proxy: 'edge-2' }, 'replayed'],
        [{ ...first, proxy: undefined }, 'replayed'],
        [{ ...first, requestId: undefined }, 'replayed'],
      ] as const) {
        assert.equal(await bench.use(7, changes), outcome, JSON.stringify(changes))
      }
      assert.equal(await bench.use(8), 'fresh')
      assert.equal(await bench.use(8, first), 'replayed', 'nobody named used it first')
    },
    { retryWindowMs: 5_000 },
  )

  contract('knows no retry without a window', async (bench) => {
    const first = { requestId: 'r1', proxy: 'edge-1' }
    assert.equal(await bench.use(7, first), 'fresh')
    assert.equal(await bench.use(7, first), 'replayed')
  })
}
