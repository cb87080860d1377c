import { type Clock, parseJson } from '@quantum-ip/base'
import {
  type PublicKey,
  parsePublicJwk,
  publicJwk,
  type SignatureAlgorithm,
  type Signer,
} from '@quantum-ip/crypto'
import { subtreeVerifierKey } from '@quantum-ip/log'
import type { KeyState, SigningKeyRecord, SigningUse } from '@quantum-ip/trust'
import { AuthorityError } from '../authority-errors.ts'
import type { KeyCustody } from '../custody.ts'
import { changedStatement } from '../store/changes.ts'
import type { Sql, SqlRow, SqlStatement } from '../store/sql.ts'

/** A key of the trust domain: its record, and when it was made and last changed. */
export interface HeldKey {
  readonly record: SigningKeyRecord
  /** The Ed25519 key that signs every head beside an issuing key, where heads are hybrid. It lives and dies with it. */
  readonly companion: PublicKey | undefined
  /** Whose issuing key it is, where several instances share a store; empty where it is everybody's. */
  readonly instance: string
  readonly createdMs: number
  readonly changedMs: number
}

/** What a new key is for. */
export interface KeyPlan {
  readonly use: SigningUse
  readonly alg: SignatureAlgorithm
  readonly state: KeyState
  readonly name?: string
  readonly log?: string
  /** Which of a builder's key sets it belongs to. */
  readonly set?: string
  /** Makes an Ed25519 key beside it, for hybrid heads. */
  readonly hybrid?: boolean
}

/** What a key ring is opened with. */
export interface KeyRingOptions {
  readonly sql: Sql
  readonly custody: KeyCustody
  readonly clock: Clock
  /** Whose issuing keys are made and found; default: everybody's, where there is one authority. */
  readonly instance?: string | undefined
}

/** One step in the life of a key. */
export interface KeyStep {
  readonly kid: string
  readonly to: KeyState
}

/** States that a key may go to from each state. Nothing leads out of `compromised`. */
const successors: Readonly<Record<KeyState, readonly KeyState[]>> = {
  planned: ['published', 'retired', 'compromised'],
  published: ['active', 'retired', 'compromised'],
  active: ['retiring', 'retired', 'compromised'],
  retiring: ['active', 'retired', 'compromised'],
  retired: ['compromised'],
  compromised: [],
}

/** The keys that bundles are made of: records in the store, private halves in custody. */
export class KeyRing {
  readonly #sql: Sql
  readonly #custody: KeyCustody
  readonly #clock: Clock
  /** Issuing keys of other instances are listed, and never found: each instance signs with its own. */
  readonly instance: string
  readonly #keys = new Map<string, HeldKey>()
  #changing: Promise<unknown> = Promise.resolve()
  /** A write was made of which nobody knows whether it took place. */
  #isUncertain = false

  private constructor({ sql, custody, clock, instance = '' }: KeyRingOptions) {
    this.instance = instance
    this.#sql = sql
    this.#custody = custody
    this.#clock = clock
  }

  /** Reads the keys of the store. */
  static async open(options: KeyRingOptions): Promise<KeyRing> {
    const ring = new KeyRing(options)
    await ring.#read()
    return ring
  }

  /** Reads the keys again: another process may have changed them, or the outcome of a write of ours is not known. */
  refresh(): Promise<void> {
    return this.#inTurn(() => this.#read())
  }

  /** Reads the keys again if a write was made of which nobody knows whether it took place. */
  settle(): Promise<void> {
    return this.#inTurn(async () => {
      if (this.#isUncertain) await this.#read()
    })
  }

  async #read(): Promise<void> {
    const rows = await this.#sql.query('SELECT * FROM keys ORDER BY created_ms, kid')
    const read = rows.map((row) => readKey(row))
    // Keys of one instant stay in the order in which they were made here.
    const known = new Set(this.#keys.keys())
    const fresh = read.filter(({ record }) => !known.has(record.key.kid))
    const found = new Map(read.map((held) => [held.record.key.kid, held]))
    for (const kid of known) {
      const held = found.get(kid)
      if (held === undefined) this.#keys.delete(kid)
      else this.#keys.set(kid, held)
    }
    for (const held of fresh) this.#keys.set(held.record.key.kid, held)
    this.#isUncertain = false
  }

  list(): readonly HeldKey[] {
    return [...this.#keys.values()]
  }

  get(kid: string): HeldKey | undefined {
    return this.#keys.get(kid)
  }

  /** Whether this instance may sign with a key, as far as it is anybody's own. */
  isOwn({ record, instance }: HeldKey): boolean {
    return record.use !== 'qip-token' || instance === this.instance
  }

  /** The key of this thumbprint, or the issuing key whose companion it is. */
  withCompanion(kid: string): HeldKey | undefined {
    return this.#keys.get(kid) ?? this.list().find(({ companion }) => companion?.kid === kid)
  }

  /** The records of all keys as a bundle lists them, companions included. */
  recordsOf({ record, companion }: HeldKey): readonly SigningKeyRecord[] {
    if (companion === undefined) return [record]
    return [record, recordOf(companion, { ...record, state: record.state })]
  }

  /** The newest key of a use in a state, and of a log where one is named. Of issuing keys, this instance's. */
  find(use: SigningUse, state: KeyState, log?: string): HeldKey | undefined {
    return this.list().findLast(
      (held) =>
        held.record.use === use &&
        held.record.state === state &&
        (log === undefined || held.record.log === log) &&
        this.isOwn(held),
    )
  }

  signer(kid: string): Promise<Signer> {
    return this.#custody.open(kid)
  }

  /** Signs with the active key of a use. @throws {AuthorityError} `QIP_AUTHORITY_INVARIANT` if there is none */
  async activeSigner(use: SigningUse): Promise<Signer> {
    const held = this.find(use, 'active')
    if (held === undefined)
      throw new AuthorityError('QIP_AUTHORITY_INVARIANT', { what: `no key of use ${use} is active` })
    return this.signer(held.record.key.kid)
  }

  /** Destroys the private halves of a key that never signs again; what cannot be destroyed now stays where it is. */
  async destroy({ record, companion }: HeldKey): Promise<void> {
    const kids = [record.key.kid, ...(companion === undefined ? [] : [companion.kid])]
    await Promise.allSettled(kids.map((kid) => this.#custody.destroy(kid)))
  }

  /** Makes a key in custody and records it. */
  async create(plan: KeyPlan): Promise<HeldKey> {
    const signer = await this.#custody.create(plan.alg, plan.use)
    const companion = plan.hybrid === true ? await this.#custody.create('Ed25519', plan.use) : undefined
    return this.#record(signer.publicKey, plan, companion?.publicKey)
  }

  /** Records a public key whose private half is elsewhere (a builder's). */
  add(key: PublicKey, plan: Omit<KeyPlan, 'alg' | 'hybrid'>): Promise<HeldKey> {
    return this.#record(key, plan, undefined)
  }

  async #record(
    key: PublicKey,
    plan: Omit<KeyPlan, 'alg' | 'hybrid'>,
    companion: PublicKey | undefined,
  ): Promise<HeldKey> {
    if (this.#keys.has(key.kid))
      throw new AuthorityError('QIP_AUTHORITY_ALREADY_BOUND', { what: `key \`${key.kid}\`` })
    const now = this.#clock.now()
    const instance = plan.use === 'qip-token' ? this.instance : ''
    const held: HeldKey = { record: recordOf(key, plan), companion, instance, createdMs: now, changedMs: now }
    await this.#inTurn(async () => {
      await this.#transact([insertStatement(held), changedStatement('keys')], () => this.#keys.has(key.kid))
      this.#keys.set(key.kid, held)
    })
    return held
  }

  /**
   * Moves keys to new states, all or none.
   *
   * @param beside what is written in the same transaction
   * @throws {AuthorityError} `QIP_AUTHORITY_CONFLICT` if the life of a key has no such step, or somebody else moved one.
   */
  move(steps: readonly KeyStep[], beside: readonly SqlStatement[] = []): Promise<void> {
    return this.#inTurn(() => this.#move(steps, beside))
  }

  /** One after the other: a step is checked against what the one before it left, or a compromised key could come back. */
  #inTurn(work: () => Promise<void>): Promise<void> {
    const done = this.#changing.catch(() => undefined).then(work)
    this.#changing = done
    return done
  }

  async #move(steps: readonly KeyStep[], beside: readonly SqlStatement[]): Promise<void> {
    if (this.#isUncertain) await this.#read()
    const now = this.#clock.now()
    const moved: (HeldKey & { readonly before: KeyState })[] = []
    for (const { kid, to } of steps) {
      const held = this.#keys.get(kid)
      if (held === undefined) throw new AuthorityError('QIP_AUTHORITY_NOT_FOUND', { what: `key \`${kid}\`` })
      if (!successors[held.record.state].includes(to)) {
        throw new AuthorityError('QIP_AUTHORITY_CONFLICT', {
          what: `a key that is ${held.record.state} cannot become ${to}: it`,
        })
      }
      const before = held.record.state
      moved.push({ ...held, record: { ...held.record, state: to }, changedMs: now, before })
    }
    const updates = moved.map(({ record, before }) => ({
      sql: 'UPDATE keys SET state = ?, changed_ms = ? WHERE kid = ? AND state = ?',
      params: [record.state, now, record.key.kid, before],
      expect: 1,
      what: 'a key',
    }))
    const isMade = () =>
      moved.every(({ record: { key, state } }) => this.#keys.get(key.kid)?.record.state === state)
    await this.#transact([...updates, ...beside, changedStatement('keys')], isMade)
    for (const { before: _, ...held } of moved) this.#keys.set(held.record.key.kid, held)
  }

  /** An outcome that is not known is found out by reading; where that fails, too, before the next move. */
  async #transact(statements: readonly SqlStatement[], isMade: () => boolean): Promise<void> {
    try {
      await this.#sql.transact(statements)
    } catch (error) {
      this.#isUncertain = true
      const known = await this.#read().then(
        () => true,
        () => false,
      )
      if (!known || !isMade()) throw error
    }
  }
}

function readKey(row: SqlRow): HeldKey {
  const key = parsePublicJwk(parseJson(row['jwk'] as string), { composites: true })
  const record = recordOf(key, {
    use: row['use'] as SigningUse,
    state: row['state'] as KeyState,
    ...(row['name'] !== null && { name: row['name'] as string }),
    ...(row['log'] !== null && { log: row['log'] as string }),
    ...(row['key_set'] !== null && { set: row['key_set'] as string }),
  })
  const companion = row['companion'] as string | null
  return {
    record,
    companion: companion === null ? undefined : parsePublicJwk(parseJson(companion)),
    instance: row['instance'] as string,
    createdMs: row['created_ms'] as number,
    changedMs: row['changed_ms'] as number,
  }
}

function recordOf(key: PublicKey, plan: Omit<KeyPlan, 'alg' | 'hybrid'>): SigningKeyRecord {
  const { use, state, name, log, set } = plan
  const hasKeyId = (use === 'qip-token' || use === 'qip-log') && name !== undefined
  return {
    use,
    key,
    state,
    ...(name !== undefined && { name }),
    ...(log !== undefined && { log }),
    ...(set !== undefined && { set }),
    ...(hasKeyId && { keyId: subtreeVerifierKey(name, key).keyId }),
  }
}

function insertStatement({ record, companion, instance, createdMs, changedMs }: HeldKey): SqlStatement {
  const { key, use, state, name, log, set } = record
  const jwk = JSON.stringify(publicJwk(key))
  const beside = companion === undefined ? null : JSON.stringify(publicJwk(companion))
  return {
    sql: `INSERT INTO keys (kid, use, state, jwk, name, log, key_set, companion, instance, created_ms, changed_ms)
          VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    params: [
      key.kid,
      use,
      state,
      jwk,
      name ?? null,
      log ?? null,
      set ?? null,
      beside,
      instance,
      createdMs,
      changedMs,
    ],
  }
}
