import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isQipError } from '@quantum-ip/base'
import { type Seeded, seeded } from '@quantum-ip/testing'
import type { LogCommit } from '../src/log-storage.ts'
import { type Log, openLog } from '../src/log.ts'
import { memoryLogStorage } from '../src/memory-log-storage.ts'
import { LogLedger } from './log-ledger.ts'
import { type FaultRates, type PlantedBug, SimulatedMachine } from './simulated-storage.ts'

// One seed is one plan. `QIP_SIM_SEED=17` runs that plan alone, `QIP_SIM_PLANS=100000` runs more of them.

const plans = Number(process.env['QIP_SIM_PLANS'] ?? 1_000)
const only = process.env['QIP_SIM_SEED']

/** Logs that were there before: empty ones, and ones about to fill a tile. */
const bases = new Map<number, readonly LogCommit[]>()
for (const size of [0, 1, 7, 250, 255]) bases.set(size, await recordLog(size))

async function recordLog(size: number): Promise<readonly LogCommit[]> {
  const commits: LogCommit[] = []
  const inner = memoryLogStorage()
  const storage = { ...inner, commit: (commit: LogCommit) => (commits.push(commit), inner.commit(commit)) }
  const log = await openLog({ storage, origin: 'simulated' })
  if (size > 0) await log.append(Array.from({ length: size }, (_, nth) => Uint8Array.of(1, nth)))
  return commits
}

const quiet: FaultRates = { refuse: 0, fail: 0, late: 0, read: 0 }
const rough: FaultRates = { refuse: 0.05, fail: 0.1, late: 0.1, read: 0.03 }
const hell: FaultRates = { refuse: 0.2, fail: 0.3, late: 0.3, read: 0.2 }

interface Writer {
  log: Log | undefined
  kill: () => void
}

interface Plan {
  readonly random: Seeded
  readonly machine: SimulatedMachine
  readonly ledger: LogLedger
  readonly writers: readonly Writer[]
  readonly mode: 'one' | 'many'
}

function draw(seed: number | string, bug?: PlantedBug): Plan {
  const random = seeded(seed)
  const machine = new SimulatedMachine(random.fork('machine'), random.pick([quiet, rough, rough, hell]), bug)
  // Most plans are short logs: a tile's edge costs 250 entries to verify at each step.
  machine.install(bases.get(random.chance(0.96) ? random.pick([0, 1, 7]) : random.pick([250, 255])) ?? [])
  const writers = Array.from({ length: random.pick([1, 2, 2]) }, () => ({ log: undefined, kill: () => {} }))
  return { random, machine, ledger: new LogLedger(), writers, mode: random.pick(['one', 'many']) }
}

async function open({ machine, ledger, mode }: Plan, writer: Writer): Promise<void> {
  writer.kill()
  ledger.forget(writer.log)
  const { storage, kill } = machine.process()
  writer.kill = kill
  writer.log = undefined
  try {
    writer.log = await openLog({
      storage,
      origin: 'simulated',
      writers: mode,
      attemptsMax: 3,
      batchEntriesMax: 12,
    })
  } catch (error) {
    // A read failed: the process did not start. Anything that says the log is damaged is a failure of the plan.
    if (isQipError(error)) throw error
  }
}

async function act(plan: Plan): Promise<string> {
  const { random, machine, ledger, writers } = plan
  const writer = random.pick(writers)
  const what = random.integer(0, 99)
  if (what < 55) {
    for (const { log } of random.chance(0.4) ? writers : [writer]) {
      if (log === undefined) continue
      for (let calls = random.integer(1, 3); calls > 0; calls--) ledger.append(log, random.integer(1, 6))
    }
    await ledger.settle(random.pick([0, 3, 10, 30, 400]))
    return 'append'
  }
  if (what < 70) {
    machine.deliver()
    return 'deliver'
  }
  if (what < 80) {
    for (const each of writers) each.kill()
    machine.powerLoss()
    for (const each of writers) await open(plan, each)
    return 'power loss'
  }
  if (what < 92) {
    await open(plan, writer)
    return 'kill and open'
  }
  await ledger.settle()
  await readSomething(plan, writer)
  return 'read'
}

async function readSomething({ random }: Plan, { log }: Writer): Promise<void> {
  const size = log?.head().size ?? 0
  if (log === undefined || size === 0) return
  try {
    await log.entry(random.integer(0, size - 1))
    await log.inclusionProof(random.integer(0, size - 1))
  } catch (error) {
    if (isQipError(error)) throw error
  }
}

/** Once nothing goes wrong any more, every log that can be opened takes entries again. */
async function goOn(plan: Plan): Promise<void> {
  const { machine, ledger, writers } = plan
  machine.calmDown()
  for (const writer of writers) {
    await open(plan, writer)
    assert.ok(writer.log !== undefined, 'log cannot be opened')
    const before = ledger.acknowledged
    ledger.append(writer.log, 3)
    await ledger.settle()
    assert.equal(ledger.acknowledged, before + 3)
  }
  await ledger.check(machine.copyDisk())
}

/** Runs a plan, and returns the number of entries that were acknowledged; throws with the seed and what was done. */
async function run(seed: number | string, bug?: PlantedBug): Promise<number> {
  const plan = draw(seed, bug)
  const done: string[] = []
  try {
    for (const writer of plan.writers) await open(plan, writer)
    for (let steps = plan.random.integer(4, 14); steps > 0; steps--) {
      done.push(await act(plan))
      await plan.ledger.check(plan.machine.copyDisk())
    }
    await plan.ledger.settle()
    await plan.ledger.check(plan.machine.copyDisk())
    await goOn(plan)
    return plan.ledger.acknowledged
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause)
    throw new Error(`plan ${seed} (${done.join(', ')}): ${reason}`, { cause })
  }
}

async function runAll(count: number, bug?: PlantedBug): Promise<number> {
  let acknowledged = 0
  for (let seed = 0; seed < count; seed++) acknowledged += await run(seed, bug)
  return acknowledged
}

test(`no plan of ${only ?? plans} loses, forks or doubles what was acknowledged`, async () => {
  if (only !== undefined) return void (await run(only))
  const acknowledged = await runAll(plans)
  // A simulation in which nothing happens finds nothing.
  assert.ok(acknowledged > plans * 5, `only ${acknowledged} entries were acknowledged`)
})

const bugs: readonly PlantedBug[] = [
  'commits without comparing',
  'acknowledges before it is durable',
  'shows a head that is not durable',
  'takes a torn batch for a whole one',
  'says nothing was written when something was',
]

for (const bug of bugs) {
  test(`finds a storage that ${bug}`, async () => {
    await assert.rejects(runAll(1_000, bug), /^Error: plan \d+ \(/, 'the planted bug was not found')
  })
}

test('a plan is the same each time', async () => {
  const twice = await Promise.all([run(5), run(5)])
  assert.equal(twice[0], twice[1])
})
