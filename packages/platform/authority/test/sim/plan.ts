import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { isQipError } from '@quantum-ip/base'
import type { PublicKey } from '@quantum-ip/crypto'
import { type Seeded, seeded } from '@quantum-ip/testing'
import type { Session } from '../../src/admission/sessions.ts'
import { Authority } from '../../src/authority.ts'
import type { AuthorityOptions } from '../../src/authority-options.ts'
import { parseTokenOrder, type TokenOrder } from '../../src/issuance/token-order.ts'
import { type RotatedUse, rotatedUses } from '../../src/keys/rotation.ts'
import type { RevocationOrder } from '../../src/state/revocations.ts'
import { checkHistory, SimulatedFollower } from './follower.ts'
import {
  calm,
  type FaultRates,
  type Founded,
  type PlantedBug,
  SimulatedMachine,
  type SimulatedProcess,
} from './machine.ts'
import { Oracle } from './oracle.ts'
import { SimulatedDatabase } from './simulated-database.ts'

const td = 'spiffe://acme.example'
const never = 2_147_483_647
const sessionDetail = JSON.stringify({ method: 'simulated', admittedMs: 0, builds: [] })
const memberSession = 'session of the members'
const rough: FaultRates = { refuse: 0.02, lose: 0.02, read: 0.01, outage: 0.3, file: 0.02 }
const hell: FaultRates = { refuse: 0.07, lose: 0.07, read: 0.04, outage: 0.3, file: 0.1 }

/** Where plans begin: a database and files of a founded trust domain. */
export interface Ground {
  readonly database: SimulatedDatabase
  readonly founded: Founded
  readonly commits: number
}

/** Founds a trust domain for all plans: making root keys costs more than a plan. */
export async function found(): Promise<Ground> {
  const folder = await mkdtemp(join(tmpdir(), 'qip-sim-'))
  const database = new SimulatedDatabase()
  const founded = { highWater: new Uint8Array(), revocations: new Uint8Array(), keys: new Map() }
  const machine = new SimulatedMachine({ random: seeded('found'), database, founded, onSign: () => {} })
  const store = { ...(await machine.process().store()), folder }
  const authority = await Authority.open(optionsFor(machine, store))
  // The members' session is there in every plan.
  await store.sql.transact([
    {
      sql: 'INSERT INTO sessions (id, sid, role, session_key, detail, expires_s) VALUES (?, ?, ?, ?, ?, ?)',
      params: [memberSession, `${td}/sa/gateway`, 'verifier', new Uint8Array(32), sessionDetail, 2 ** 40],
    },
  ])
  await authority.close()
  await rm(folder, { recursive: true })
  return { database, founded: machine.contents(), commits: database.commits }
}

function optionsFor(
  machine: SimulatedMachine,
  store: NonNullable<AuthorityOptions['store']>,
): AuthorityOptions {
  return {
    trustDomain: td,
    places: { folder: '', highWaterFolder: '', custodyFolder: '' },
    // Its key is drawn into a file, and there are none here.
    keepIssuanceMs: 0,
    store,
    rules: [],
    builders: [],
    requireAttestation: [],
    batchMax: 8,
    batchIntervalMs: 0,
    // Time is what the plan says: nothing goes by the clock on the wall.
    headIntervalMs: never,
    heartbeatMs: never,
    rotationStepMs: never,
    clock: machine.clock,
    random: machine.newRandom(),
    // Configuration may change from one start to the next.
    hybrid: machine.random.chance(0.15),
  }
}

/** What a plan came to. */
export interface Outcome {
  readonly acknowledged: number
  readonly signatures: number
  readonly restarts: number
  readonly wentBack: number
}

/** One life of a machine with an authority on it, drawn from a seed. */
export class Plan {
  readonly #random: Seeded
  readonly #machine: SimulatedMachine
  readonly #oracle = new Oracle()
  readonly #follower: SimulatedFollower
  readonly #rates: FaultRates
  readonly #done: string[] = []
  readonly #errors: unknown[] = []
  #process: SimulatedProcess
  #authority: Authority | undefined
  #backup: number
  #restarts = 0
  /** The probes that members were given. */
  readonly #probes = new Map<string, string>()
  /** The bundles that members hold. */
  readonly #held = new Map<string, number>()

  constructor(ground: Ground, seed: number | string, bug?: PlantedBug) {
    const { database, founded, commits } = ground
    database.goBack(commits)
    this.#random = seeded(seed)
    const random = this.#random.fork('machine')
    const onSign = (key: PublicKey, message: Uint8Array): void => this.#oracle.noteSigned(key, message)
    this.#machine = new SimulatedMachine({ random, database, founded, bug, onSign })
    this.#machine.first = commits
    this.#machine.diskLies = this.#random.chance(0.25)
    this.#rates = this.#random.pick([calm, calm, rough, rough, hell])
    this.#backup = commits
    this.#process = this.#machine.process()
    this.#follower = new SimulatedFollower(() => this.#machine.clock.now())
  }

  /** @throws with what was done, if an invariant does not hold */
  async run(): Promise<Outcome> {
    try {
      await this.#open()
      for (let steps = this.#random.integer(4, 12); steps > 0; steps--) {
        await this.#act()
        await this.#check()
      }
      await this.#goOn()
    } catch (cause) {
      const reason = cause instanceof Error ? `${cause.name}: ${cause.message}` : String(cause)
      throw new Error(`${this.#done.join(', ')}: ${reason}`, { cause })
    } finally {
      await this.#abandon()
    }
    const { acknowledged, signatures, era } = this.#oracle
    return { acknowledged, signatures, restarts: this.#restarts, wentBack: era }
  }

  async #act(): Promise<void> {
    const { clock } = this.#machine
    clock.advance(this.#random.integer(5, 100))
    const what = this.#random.integer(0, 99)
    if (what < 62) return this.#work()
    if (what < 68) {
      clock.advance(this.#random.integer(1, 30) * 3_600_000)
      return this.#work(['maintain'])
    }
    if (what < 76) {
      this.#backup = this.#machine.database.commits
      this.#done.push('back up')
      return
    }
    if (what < 80) return this.#restart('stop')
    if (what < 86) return this.#restart('kill')
    if (what < 93) return this.#restart('power loss')
    return this.#restart('restore')
  }

  /** Several things at once; the process may die between any two steps of them. */
  async #work(
    what: readonly string[] = this.#random.shuffle(chores).slice(0, this.#random.integer(1, 4)),
  ): Promise<void> {
    const authority = this.#live()
    this.#done.push(what.join(' + '))
    // A copy that lacks exactly what is being done is the hardest one to come back from.
    if (this.#random.chance(0.2)) this.#backup = this.#machine.database.commits
    this.#machine.rates = this.#rates
    if (this.#random.chance(0.3)) this.#process.killAfter(this.#random.integer(0, 40))
    const flows = what.map((chore) => this.#chore(authority, chore))
    await Promise.race([Promise.all(flows), this.#process.died])
    await turn()
    this.#machine.rates = calm
    if (this.#process.isDead)
      await this.#restart(this.#random.pick(['kill', 'kill', 'power loss', 'restore']))
    else this.#process.killAfter(Number.POSITIVE_INFINITY)
  }

  async #chore(authority: Authority, chore: string): Promise<void> {
    try {
      if (chore.startsWith('issue')) await this.#issue(authority, this.#order())
      else if (chore === 'publish') await authority.publisher.publish()
      else if (chore.startsWith('rotate')) await authority.rotate({ use: this.#use(), askedBy: 'plan' })
      else if (chore === 'roll back') await authority.rollBack({ use: this.#use(), reason: 'plan' })
      else if (chore === 'advance') await authority.advance()
      else if (chore.startsWith('acknowledge')) await this.#acknowledge(authority)
      else if (chore === 'maintain') await authority.maintain()
      else this.#oracle.noteRevocation((await authority.revoke(this.#revocation(authority))).record)
    } catch (error) {
      if (!isQipError(error) || error.fault === 'defect') this.#errors.push(error)
    }
  }

  async #issue(authority: Authority, order: TokenOrder): Promise<void> {
    await this.#oracle.noteIssued(await authority.issuer.issue(order), authority.keys)
  }

  #order(): TokenOrder {
    const sid = `${td}/sa/${this.#random.integer(1, 4)}`
    const session: Session = {
      id: 'simulated',
      sid,
      role: 'workload',
      builds: [],
      method: 'simulated',
      admittedMs: 0,
      expiresS: 0,
      key: new Uint8Array(32),
    }
    const form = this.#random.pick([
      'compact',
      'compact',
      'compact',
      'standalone',
      'jwt',
      'reference',
    ] as const)
    const count = this.#random.integer(1, 3)
    const ttl = this.#random.pick([60, 300, 3_600])
    return parseTokenOrder(
      { audience: `${td}/sa/shop`, count, form, ttl },
      { session },
      { td, oneTimeTtlDefaultS: 60, jwt: true, ttlDefaultS: 300 },
    )
  }

  #use(): RotatedUse {
    return this.#random.pick(['qip-token', 'qip-token', ...rotatedUses])
  }

  /** One of two members says that it holds the newest bundle or the one before, and now and then that it refuses a key. */
  async #acknowledge(authority: Authority): Promise<void> {
    const { bundle, current } = authority.publisher
    const point = this.#random.pick(['a', 'b'])
    const probe = this.#probes.get(point)
    const isGood = this.#random.chance(0.8)
    // Nobody goes back to an older bundle.
    const bundleSequence = Math.max(
      this.#held.get(point) ?? 0,
      bundle.sequence - (this.#random.chance(0.4) ? 1 : 0),
    )
    this.#held.set(point, bundleSequence)
    const toldMs = this.#machine.clock.now()
    this.#oracle.noteMember(point, { bundleSequence, toldMs, isHeard: false })
    const offered = await authority.acknowledge(
      { id: memberSession, sid: `${td}/sa/gateway`, role: 'verifier' },
      {
        seq: current.seq,
        epoch: current.epoch,
        bundleSequence,
        point,
        probes: point === 'b',
        ...(probe !== undefined && { probe: { id: probe, reason: isGood ? 'ok' : 'key_unknown' } }),
      },
    )
    this.#oracle.noteMember(point, { bundleSequence, toldMs, isHeard: true })
    if (offered !== undefined) this.#probes.set(point, offered.id)
  }

  #revocation(authority: Authority): RevocationOrder {
    const keys = authority.keys.list().filter(({ record }) => record.use !== 'qip-build')
    if (this.#random.chance(0.5)) return { kind: 'identity', value: `${td}/sa/4`, reason: 'simulated' }
    return { kind: 'key', value: this.#random.pick(keys).record.key.kid, reason: 'simulated' }
  }

  async #restart(how: 'stop' | 'kill' | 'power loss' | 'restore'): Promise<void> {
    this.#done.push(how)
    this.#restarts += 1
    if (how === 'stop') await this.#live().close()
    await this.#abandon()
    if (how === 'power loss' && this.#machine.powerLoss()) this.#goneBack()
    if (how === 'restore' && this.#machine.database.commits > this.#backup) {
      this.#machine.database.goBack(this.#backup)
      this.#goneBack()
    }
    this.#backup = Math.min(this.#backup, this.#machine.database.commits)
    this.#machine.clock.advance(this.#random.integer(200, 2_000))
    for (
      let attempts = this.#random.integer(0, 2);
      attempts > 0 && this.#authority === undefined;
      attempts--
    ) {
      await this.#tryOpen()
    }
    this.#machine.clock.advance(this.#random.integer(50, 500))
    if (this.#authority === undefined) await this.#open()
  }

  #goneBack(): void {
    this.#oracle.era += 1
    this.#follower.era += 1
  }

  /** A start in which things go wrong. */
  async #tryOpen(): Promise<void> {
    this.#machine.clock.advance(this.#random.integer(50, 500))
    this.#machine.rates = this.#rates
    this.#process = this.#machine.process()
    if (this.#random.chance(0.5)) this.#process.killAfter(this.#random.integer(0, 70))
    try {
      await Promise.race([this.#open(this.#process), this.#process.died])
    } catch (error) {
      if (!isQipError(error) || error.fault === 'defect') throw error
    } finally {
      await turn()
      this.#machine.rates = calm
    }
    this.#done.push(this.#authority === undefined ? 'start that failed' : 'start')
    if (this.#process.isDead) {
      await this.#abandon()
      if (this.#random.chance(0.3) && this.#machine.powerLoss()) this.#goneBack()
    } else this.#process.killAfter(Number.POSITIVE_INFINITY)
  }

  async #open(process: SimulatedProcess = this.#machine.process()): Promise<void> {
    this.#process = process
    const authority = await Authority.open(optionsFor(this.#machine, await process.store()))
    this.#authority = authority
    this.#follower.attach(authority)
  }

  /** Whatever the process was doing, it does no more. */
  async #abandon(): Promise<void> {
    this.#process.kill()
    const authority = this.#authority
    this.#authority = undefined
    // For their timers alone: all that they wait for never happens.
    void authority?.publisher.close()
    void authority?.close()
    await turn()
  }

  async #check(): Promise<void> {
    const { database, defects, clock } = this.#machine
    if (this.#errors.length > 0) throw this.#errors[0]
    assert.deepEqual(defects, [])
    const authority = this.#live()
    await this.#oracle.checkDatabase(database, authority.issuer.log.origin)
    this.#oracle.checkRevocations(authority.revocations.list())
    this.#oracle.checkKeys(database)
    await this.#follower.apply(authority)
    if (this.#random.chance(0.1)) await checkHistory(authority, clock.now())
  }

  /** Once nothing goes wrong any more, tokens are issued again, and verifiers know all that they must. */
  async #goOn(): Promise<void> {
    this.#done.push('calm')
    const { clock } = this.#machine
    if (this.#random.chance(0.5)) await this.#restart('kill')
    const before = this.#oracle.acknowledged
    clock.advance(50)
    const authority = this.#live()
    await authority.maintain()
    await this.#issue(authority, {
      ...this.#order(),
      session: { ...this.#order().session, sid: `${td}/sa/1` },
      form: 'compact',
    })
    assert.ok(this.#oracle.acknowledged > before)
    await authority.publisher.publish()
    await this.#check()
    await checkHistory(authority, clock.now())
    this.#oracle.checkVerifier(this.#follower.trust, clock.now())
    assert.equal(this.#follower.trust.epoch, authority.revocations.epoch)
  }

  #live(): Authority {
    assert.ok(this.#authority, 'no process is running')
    return this.#authority
  }
}

const chores = [
  'issue',
  'issue too',
  'issue more',
  'publish',
  'publish',
  'rotate',
  'rotate another',
  'roll back',
  'advance',
  'acknowledge',
  'acknowledge too',
  'revoke',
  'maintain',
] as const

// All that a process does is microtasks, but for the turn that the issuer waits for: after these nothing is under way.
async function turn(): Promise<void> {
  for (let turns = 0; turns < 6; turns++) await new Promise((resolve) => setImmediate(resolve))
}
