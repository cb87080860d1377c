import { isQipError } from '@quantum-ip/base'
import { generatePrivateKey, type PublicKey, type SignatureAlgorithm, type Signer } from '@quantum-ip/crypto'
import { emptyRoot } from '@quantum-ip/log'
import { type Seeded, seeded, type SimulatedClock, simulatedClock } from '@quantum-ip/testing'
import { AuthorityError } from '../../src/authority-errors.ts'
import type { KeyCustody } from '../../src/custody.ts'
import type { DurableFile } from '../../src/store/durable-file.ts'
import { type HighWater, readHighWater } from '../../src/store/high-water.ts'
import type { Store } from '../../src/store/open-store.ts'
import type { Sql, SqlStatement } from '../../src/store/sql.ts'
import type { SimulatedDatabase } from './simulated-database.ts'
import { SimulatedFile } from './simulated-file.ts'

/** Mistakes that could be made; the simulation must find each. */
export type PlantedBug =
  | 'signs before the high-water mark is raised'
  | 'ignores the high-water mark at the start'
  | 'keeps the names of new logs in memory only'
  | 'answers before the database is durable'
  | 'changes keys one by one'
  | 'forgets at its start who is enrolled'

/** How often things go wrong at a step, 0..1. */
export interface FaultRates {
  /** A transaction that fails and was not made. */
  readonly refuse: number
  /** A transaction that was made, and fails. */
  readonly lose: number
  readonly read: number
  /** After such a failure the database cannot be reached for a while. */
  readonly outage: number
  /** A write or flush of a file beside the database. */
  readonly file: number
}

export const calm: FaultRates = { refuse: 0, lose: 0, read: 0, outage: 0, file: 0 }

/** What a machine starts from: a trust domain that was founded before. */
export interface Founded {
  readonly highWater: Uint8Array
  readonly revocations: Uint8Array
  readonly keys: ReadonlyMap<string, Signer>
}

/** What a machine is like. */
export interface MachineOptions {
  readonly random: Seeded
  readonly database: SimulatedDatabase
  readonly founded: Founded
  readonly bug?: PlantedBug | undefined
  /** Told of every message that a key in custody signs. */
  readonly onSign: (key: PublicKey, message: Uint8Array) => void
}

const pool = new Map<SignatureAlgorithm, Signer[]>()

/** The machine's n-th key of an algorithm: the same ones in every plan, for they take time to make. */
function pooledKey(alg: SignatureAlgorithm, nth: number): Signer {
  const keys = pool.get(alg) ?? []
  pool.set(alg, keys)
  while (keys.length <= nth) keys.push(generatePrivateKey(alg, seeded(`${alg} ${keys.length}`)))
  return keys[nth] as Signer
}

/** A machine with a database, two files and a custody. What happens to it is drawn from its seed alone. */
export class SimulatedMachine {
  readonly random: Seeded
  readonly database: SimulatedDatabase
  readonly clock: SimulatedClock = simulatedClock()
  rates: FaultRates = calm
  /** Errors of the database that were not made here. */
  readonly defects: string[] = []
  /** The disk of the database says that it has flushed, and has not: power failures lose the last commits. */
  diskLies = false
  readonly #options: MachineOptions
  readonly #highWater: SimulatedFile
  readonly #revocations: SimulatedFile
  readonly #keys: Map<string, Signer>
  /** The commits that no plan takes back. */
  first = 0
  #processes = 0
  readonly #drawn = new Map<SignatureAlgorithm, number>()

  constructor(options: MachineOptions) {
    const { random, database, founded } = options
    this.#options = options
    this.random = random
    this.database = database
    this.#highWater = new SimulatedFile(founded.highWater)
    this.#revocations = new SimulatedFile(founded.revocations)
    this.#keys = new Map(founded.keys)
  }

  /** For the founding: what a machine is left with. */
  contents(): Founded {
    return { highWater: this.#highWater.read(), revocations: this.#revocations.read(), keys: this.#keys }
  }

  /** @returns whether commits were lost that were acknowledged */
  powerLoss(): boolean {
    this.#highWater.powerLoss(this.random)
    this.#revocations.powerLoss(this.random)
    const before = this.database.commits
    const isBuggy = this.#options.bug === 'answers before the database is durable'
    if (this.diskLies || isBuggy)
      this.database.goBack(Math.max(this.first, before - this.random.integer(0, 5)))
    return this.diskLies && this.database.commits < before
  }

  process(): SimulatedProcess {
    return new SimulatedProcess(this)
  }

  /** A source for the next process: none draws what another has drawn. */
  newRandom(): Seeded {
    this.#processes += 1
    return this.random.fork(`process ${this.#processes}`)
  }

  files(): { readonly highWater: SimulatedFile; readonly revocations: SimulatedFile } {
    return { highWater: this.#highWater, revocations: this.#revocations }
  }

  custody(step: () => Promise<void>): KeyCustody {
    const watched = (signer: Signer): Signer => ({
      publicKey: signer.publicKey,
      sign: async (message) => {
        await step()
        this.#options.onSign(signer.publicKey, message)
        return signer.sign(message)
      },
    })
    return {
      create: async (alg) => {
        await step()
        const nth = this.#drawn.get(alg) ?? this.#options.founded.keys.size
        this.#drawn.set(alg, nth + 1)
        const signer = pooledKey(alg, nth)
        this.#keys.set(signer.publicKey.kid, signer)
        await step()
        return watched(signer)
      },
      open: async (kid) => {
        const signer = this.#keys.get(kid)
        if (signer === undefined) throw new AuthorityError('QIP_AUTHORITY_NOT_FOUND', { what: 'private key' })
        return watched(signer)
      },
      destroy: async (kid) => void this.#keys.delete(kid),
      close: async () => undefined,
    }
  }

  commit(statements: readonly SqlStatement[]): void {
    try {
      this.database.commit(statements)
    } catch (error) {
      // No fault of ours: the statements themselves are wrong.
      if (!isQipError(error)) this.defects.push((error as Error).message)
      throw error
    }
  }

  /** Loses the private key of an issuing key. */
  loseKey(kid: string): void {
    this.#keys.delete(kid)
  }

  get bug(): PlantedBug | undefined {
    return this.#options.bug
  }
}

/** A process of a machine. Once it is dead, nothing that it waits for ever happens. */
export class SimulatedProcess {
  isDead = false
  readonly died: Promise<void>
  readonly #machine: SimulatedMachine
  readonly #tellDeath: () => void
  #stepsLeft = Number.POSITIVE_INFINITY
  #outageLeft = 0

  constructor(machine: SimulatedMachine) {
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#machine = machine
    this.died = promise
    this.#tellDeath = resolve
  }

  kill(): void {
    this.isDead = true
    this.#tellDeath()
  }

  /** The process dies after so many steps. */
  killAfter(steps: number): void {
    this.#stepsLeft = steps
  }

  /** The point between two effects: others may run, or the process ends here. */
  async step(): Promise<void> {
    for (let turns = this.#machine.random.integer(0, 2); turns > 0; turns--) await Promise.resolve()
    this.#stepsLeft -= 1
    if (this.#stepsLeft < 0) this.kill()
    if (this.isDead) await new Promise<never>(() => {})
  }

  async store(): Promise<Store> {
    if (this.#machine.bug === 'forgets at its start who is enrolled')
      this.#machine.commit([{ sql: 'DELETE FROM members' }])
    const { highWater, revocations } = this.#machine.files()
    return {
      folder: '/nowhere',
      isSynchronous: true,
      sql: this.#sql(),
      custody: this.#machine.custody(() => this.step()),
      highWater: this.#withBug(await readHighWater(this.#file('high-water', highWater))),
      revocations: this.#file('revocations', revocations),
      close: async () => {},
    }
  }

  #fails(rate: number): boolean {
    return rate > 0 && this.#machine.random.chance(rate)
  }

  #failsAtDatabase(kind: 'refuse' | 'lose' | 'read'): boolean {
    const { rates, random } = this.#machine
    if (rates === calm) this.#outageLeft = 0
    if (this.#outageLeft > 0) {
      this.#outageLeft -= 1
      return true
    }
    if (!this.#fails(rates[kind])) return false
    if (this.#fails(rates.outage)) this.#outageLeft = random.integer(1, 30)
    return true
  }

  #sql(): Sql {
    const { database } = this.#machine
    return {
      query: async (sql, params) => {
        await this.step()
        if (this.#failsAtDatabase('read')) throw unavailable()
        return database.query(sql, params)
      },
      transact: async (statements) => {
        await this.step()
        if (this.#failsAtDatabase('refuse')) throw unavailable()
        await this.#commit(statements)
        await this.step()
        if (this.#failsAtDatabase('lose')) throw unavailable()
      },
      snapshot: () => Promise.reject(unavailable()),
      close: async () => {},
    }
  }

  async #commit(statements: readonly SqlStatement[]): Promise<void> {
    const isSplit =
      this.#machine.bug === 'changes keys one by one' &&
      statements.some(({ sql }) => sql.startsWith('UPDATE keys'))
    const parts = isSplit ? statements.map((statement) => [statement]) : [statements]
    for (const [nth, part] of parts.entries()) {
      if (nth > 0) await this.step()
      this.#machine.commit(part)
    }
  }

  #file(name: string, file: SimulatedFile): DurableFile {
    const rates = () => this.#machine.rates
    return {
      name,
      read: async () => {
        await this.step()
        return file.read()
      },
      write: async (bytes, position) => {
        await this.step()
        if (this.#fails(rates().file)) {
          file.write(bytes.subarray(0, this.#machine.random.integer(0, bytes.length)), position)
          throw unavailable()
        }
        file.write(bytes, position)
      },
      truncate: async (size) => {
        await this.step()
        if (this.#fails(rates().file)) throw unavailable()
        file.truncate(size)
      },
      sync: async () => {
        await this.step()
        if (this.#fails(rates().file)) throw unavailable()
        file.sync()
        await this.step()
        if (this.#fails(rates().file)) throw unavailable()
      },
      close: async () => {},
    }
  }

  #withBug(highWater: HighWater): HighWater {
    const { bug } = this.#machine
    const delegate: HighWater = {
      mark: (origin) => highWater.mark(origin),
      marks: () => highWater.marks(),
      reserve: (origin) => highWater.reserve(origin),
      raise: (mark) => highWater.raise(mark),
      drop: (origins) => highWater.drop(origins),
      close: () => highWater.close(),
    }
    switch (bug) {
      case 'signs before the high-water mark is raised':
        return { ...delegate, raise: async (mark) => void this.#later(() => highWater.raise(mark)) }
      case 'ignores the high-water mark at the start':
        return {
          ...delegate,
          mark: (origin) => highWater.mark(origin) && { origin, size: 0, hash: emptyRoot() },
        }
      case 'keeps the names of new logs in memory only': {
        const names = new Map<string, { origin: string; size: number; hash: Uint8Array }>()
        return {
          ...delegate,
          mark: (origin) => highWater.mark(origin) ?? names.get(origin),
          reserve: async (origin) => void names.set(origin, { origin, size: 0, hash: emptyRoot() }),
        }
      }
      case 'answers before the database is durable':
      case 'changes keys one by one':
      case 'forgets at its start who is enrolled':
      case undefined:
        return highWater
    }
  }

  async #later(work: () => Promise<void>): Promise<void> {
    for (let steps = 0; steps < 40; steps++) await this.step()
    await work().catch(() => undefined)
  }
}

function unavailable(): AuthorityError {
  return new AuthorityError('QIP_AUTHORITY_STORE_UNAVAILABLE', { reason: 'simulated' })
}
