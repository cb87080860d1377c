import assert from 'node:assert/strict'
import { before, test } from 'node:test'
import { simulateSignatures } from './sim/deterministic-crypto.ts'
import type { PlantedBug } from './sim/machine.ts'
import { found, type Ground, type Outcome, Plan } from './sim/plan.ts'

// One seed is one plan. `QIP_SIM_SEED=17` runs that plan alone, `QIP_SIM_PLANS=100000` runs more of them; the long suite runs 4,000.

const isLong = process.env['QIP_TEST_LONG'] === '1'
const plans = Number(process.env['QIP_SIM_PLANS'] ?? (isLong ? 4_000 : 300))
const only = process.env['QIP_SIM_SEED']
let ground: Ground

before(async () => {
  simulateSignatures('stand-in')
  ground = await found()
})

async function run(seed: number | string, bug?: PlantedBug): Promise<Outcome> {
  try {
    return await new Plan(ground, seed, bug).run()
  } catch (cause) {
    throw new Error(`plan ${seed} (${(cause as Error).message})`, { cause })
  }
}

async function runAll(count: number, bug?: PlantedBug): Promise<Outcome> {
  const sum = { acknowledged: 0, signatures: 0, restarts: 0, wentBack: 0 }
  for (let seed = 0; seed < count; seed++) {
    const outcome = await run(seed, bug)
    for (const name of Object.keys(sum) as (keyof Outcome)[]) sum[name] += outcome[name]
  }
  return sum
}

test(`no plan of ${only ?? plans} loses, doubles or forks what was acknowledged (stand-in signatures)`, async (t) => {
  if (only !== undefined) return void (await run(only))
  const { acknowledged, signatures, restarts, wentBack } = await runAll(plans)
  t.diagnostic(`${acknowledged} tokens, ${signatures} subtrees, ${restarts} restarts, ${wentBack} times back`)
  // A simulation in which nothing happens finds nothing.
  assert.ok(acknowledged > plans * 5 && restarts > plans * 2 && wentBack > plans / 4)
})

test('no plan of 15 does with ML-DSA signatures', async () => {
  simulateSignatures('real')
  ground = await found()
  await runAll(15)
  simulateSignatures('stand-in')
  ground = await found()
})

const bugs: readonly PlantedBug[] = [
  'signs before the high-water mark is raised',
  'ignores the high-water mark at the start',
  'keeps the names of new logs in memory only',
  'answers before the database is durable',
  'changes keys one by one',
  'forgets at its start who is enrolled',
]

for (const bug of bugs) {
  test(`finds an authority that ${bug}`, async (t) => {
    await assert.rejects(runAll(1_000, bug), (error: Error) => {
      t.diagnostic(error.message.slice(0, 200))
      return /^plan \d+ \(/.test(error.message)
    })
  })
}

test('a plan is the same each time', async () => {
  assert.deepEqual(await run(5), await run(5))
})
