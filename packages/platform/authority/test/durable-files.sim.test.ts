import assert from 'node:assert/strict'
import { test } from 'node:test'
import { hex, isQipError } from '@quantum-ip/base'
import { type Seeded, seeded, simulatedClock } from '@quantum-ip/testing'
import { AuthorityError } from '../src/authority-errors.ts'
import { Revocations } from '../src/state/revocations.ts'
import type { DurableFile } from '../src/store/durable-file.ts'
import { readHighWater } from '../src/store/high-water.ts'
import type { Sql } from '../src/store/sql.ts'
import { SimulatedDatabase } from './sim/simulated-database.ts'
import { SimulatedFile } from './sim/simulated-file.ts'

// The two files beside the database, each for itself: writes that fail in the middle, flushes that fail, power cuts that tear what was
// not flushed. One seed is one plan; `QIP_SIM_SEED=17` runs that plan alone.

const plans = Number(process.env['QIP_SIM_PLANS'] ?? 700)
const only = process.env['QIP_SIM_SEED']

async function runAll(plan: (random: Seeded) => Promise<void>): Promise<void> {
  for (let seed = 0; seed < plans; seed++) {
    const chosen = only ?? seed
    try {
      await plan(seeded(chosen))
    } catch (cause) {
      throw new Error(`plan ${chosen}: ${(cause as Error).message}`, { cause })
    }
    if (only !== undefined) return
  }
}

/** A file of which operations fail, each with probability `rate`; and once the process is dead, nothing ever happens. */
function failing(file: SimulatedFile, random: Seeded, rate: number): DurableFile & { kill(): void } {
  let isDead = false
  const act = async <Result>(work: () => Result): Promise<Result> => {
    if (isDead) await new Promise<never>(() => {})
    return work()
  }
  const mayFail = (): void => {
    if (random.chance(rate)) throw unavailable()
  }
  return {
    name: 'simulated',
    kill: () => (isDead = true),
    read: () => act(() => file.read()),
    write: (bytes, position) =>
      act(() => {
        const isTorn = random.chance(rate)
        file.write(isTorn ? bytes.subarray(0, random.integer(0, bytes.length)) : bytes, position)
        if (isTorn) throw unavailable()
      }),
    truncate: (size) =>
      act(() => {
        mayFail()
        file.truncate(size)
      }),
    sync: () =>
      act(() => {
        mayFail()
        file.sync()
        mayFail()
      }),
    close: async () => {},
  }
}

function unavailable(): AuthorityError {
  return new AuthorityError('QIP_AUTHORITY_STORE_UNAVAILABLE', { reason: 'simulated' })
}

/** Whether it succeeded; what fails here must say that it is the store. */
async function succeeds(work: Promise<unknown>): Promise<boolean> {
  try {
    await work
    return true
  } catch (error) {
    assert.ok(isQipError(error, 'QIP_AUTHORITY_STORE_UNAVAILABLE'), String(error))
    return false
  }
}

const origins = ['acme.example/tokens/1', 'acme.example/tokens/2', 'acme.example/attestations/1']

test(`high-water marks never go down, whatever is torn (${only ?? plans} plans)`, async () => {
  await runAll(async (random) => {
    const file = new SimulatedFile()
    const rate = random.pick([0, 0.1, 0.4])
    const raised = new Map(origins.map((origin) => [origin, 0]))
    let process = failing(file, random, rate)
    let marks = await readHighWater(process)
    for (let steps = random.integer(3, 20); steps > 0; steps--) {
      const origin = random.pick(origins)
      const size = (marks.marks().find((mark) => mark.origin === origin)?.size ?? 0) + random.integer(1, 5)
      const isDurable = await succeeds(marks.raise({ origin, size, hash: new Uint8Array(32).fill(size) }))
      if (isDurable) raised.set(origin, size)
      // What is said to be marked is relied on as well.
      for (const each of origins)
        raised.set(each, Math.max(raised.get(each) ?? 0, marks.mark(each)?.size ?? 0))
      if (random.chance(0.3)) {
        if (random.chance(0.5)) {
          // In the middle of a write.
          const dying = marks.raise({ origin, size: size + 1, hash: new Uint8Array(32).fill(size + 1) })
          dying.catch(() => undefined)
          for (let turns = random.integer(0, 4); turns > 0; turns--) await Promise.resolve()
        }
        process.kill()
        file.powerLoss(random)
        process = failing(file, random, rate)
        marks = await readHighWater(process)
        for (const [each, least] of raised) {
          const mark = marks.mark(each)
          assert.ok((mark?.size ?? 0) >= least, `the mark of ${each} went from ${least} to ${mark?.size}`)
          if (mark !== undefined) assert.equal(hex(mark.hash), hex(new Uint8Array(32).fill(mark.size)))
        }
      }
    }
  })
})

const database = new SimulatedDatabase()
const empty = database.commits

test(`revocations keep their numbers, whatever is torn (${only ?? plans} plans)`, async () => {
  await runAll(async (random) => {
    database.goBack(empty)
    const file = new SimulatedFile()
    const rate = random.pick([0, 0.1, 0.3])
    const sql: Sql = {
      query: async (text, params) => database.query(text, params),
      transact: async (statements) => {
        if (random.chance(rate)) throw unavailable()
        database.commit(statements)
        if (random.chance(rate)) throw unavailable()
      },
      snapshot: () => Promise.reject(unavailable()),
      close: async () => {},
    }
    const clock = simulatedClock()
    const acknowledged: string[] = []
    const open = async (): Promise<Revocations> => {
      for (;;) {
        const opened: { list?: Revocations } = {}
        const opening = Revocations.open(sql, failing(file, random, rate), clock).then(
          (list) => (opened.list = list),
        )
        if (await succeeds(opening)) return opened.list as Revocations
        if (random.chance(0.3)) file.powerLoss(random)
      }
    }
    let list = await open()
    for (let steps = random.integer(3, 15); steps > 0; steps--) {
      // Of different lengths, so that what is left of one would show behind another.
      const value = `spiffe://acme.example/${'x'.repeat(random.integer(1, 400))}`
      const added: { epoch?: number } = {}
      const adding = list
        .add({ kind: 'identity', value, reason: 'test' })
        .then(({ epoch }) => (added.epoch = epoch))
      if (await succeeds(adding)) acknowledged[(added.epoch ?? 0) - 1] = value
      if (random.chance(0.3)) {
        file.powerLoss(random)
        if (random.chance(0.5)) database.goBack(random.integer(empty, database.commits))
        list = await open()
      }
      for (const [at, each] of acknowledged.entries()) {
        if (each !== undefined)
          assert.equal(list.list()[at]?.value, each, `revocation ${at + 1} is another one`)
      }
    }
  })
})
