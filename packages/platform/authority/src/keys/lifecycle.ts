import { type Clock, isQipError, type TrustDomain, trustDomainName } from '@quantum-ip/base'
import type { SignatureAlgorithm } from '@quantum-ip/crypto'
import type { KeyState } from '@quantum-ip/trust'
import { AuthorityError } from '../authority-errors.ts'
import {
  closeLog,
  closeStatement,
  issuerName,
  openTokenLog,
  type TokenLog,
  tokenLogNumber,
  tokenLogOrigin,
} from '../issuance/token-log.ts'
import type { Store } from '../store/open-store.ts'
import { createLogStatement } from '../store/sql-log-storage.ts'
import type { SqlStatement } from '../store/sql.ts'
import { compromiseKey, type EmergencyOptions } from './emergency.ts'
import type { HeldKey, KeyRing } from './key-ring.ts'
import { doneStatement, endAllStatement, leaveStatements, type RotatedUse, rotatedUses } from './rotation.ts'

/** A token may live this long after its key stopped issuing; only then is the key retired. */
const retireAfterMs = 3_600_000 + 60_000

/** The uses of which a key is made at the first start; a log key comes with its log. */
const ensuredUses = ['qip-token', 'qip-feed', 'qip-jwt', 'qip-policy'] as const

/** Private halves of issuing keys that retired so long ago are gone. */
const destroyAgainMs = 24 * 3_600_000

/** What the lifecycle of keys works on. */
export interface LifecycleOptions {
  readonly td: TrustDomain
  readonly store: Store
  readonly keys: KeyRing
  readonly clock: Clock
  readonly jwtAlgorithm: SignatureAlgorithm
  /** Whether heads are signed with Ed25519, too. */
  readonly hybrid: boolean
  /** Whether a revocation says that the key is compromised. */
  readonly isRevoked: (kid: string) => boolean
  /** Whose keys it looks after. Default: those of all uses; an instance that does not lead, its issuing keys. */
  readonly uses?: readonly RotatedUse[]
}

/** In these states a key may still sign, or what it signed a moment ago still counts. */
const living: ReadonlySet<KeyState> = new Set(['published', 'active', 'retiring'])
/** In these its log keeps its mark. */
const reserving: ReadonlySet<KeyState> = new Set(['planned', ...living])

/**
 * The keys that an authority needs to work: of every use one that is active, and one published ahead, so that every verifier holds
 * the next key before it signs anything. INVARIANT: one transaction makes the one active and the other one not.
 */
export class KeyLifecycle {
  readonly #options: LifecycleOptions

  constructor(options: LifecycleOptions) {
    this.#options = options
  }

  get #uses(): readonly RotatedUse[] {
    return this.#options.uses ?? rotatedUses
  }

  /** Brings the keys in line with what is known outside the store, and makes what is missing. */
  async ensure(): Promise<void> {
    await this.#retireClosed()
    for (const use of ensuredUses) {
      if (this.#uses.includes(use)) await this.#ensureActive(use)
    }
    await this.ensureStandbys()
    await this.compromiseRevoked()
    await this.#destroyEnded()
    await this.dropMarks()
  }

  /**
   * Opens the log of the active issuing key. If it is no extension of what was signed here before, or its private key is lost,
   * it is closed for ever, and the next one is opened.
   */
  async openIssuingLog(): Promise<TokenLog> {
    for (;;) {
      const active = this.active('qip-token')
      const log = await this.openLogOf(active)
      if (log !== undefined) return log
      await closeLog(this.#options.store, active.record.log ?? '')
      await this.replaceLost()
    }
  }

  /** The token log of an issuing key; `undefined` if it takes nothing more, or its private key is lost. */
  async openLogOf({ record }: HeldKey): Promise<TokenLog | undefined> {
    try {
      return await openTokenLog(this.#options, record.key.kid)
    } catch (error) {
      if (isQipError(error, 'QIP_AUTHORITY_NOT_FOUND')) return undefined
      throw error
    }
  }

  /** Whether an issuing key can take over again: its log is what was signed here, and takes more. */
  async canIssue(held: HeldKey): Promise<boolean> {
    return (await this.openLogOf(held)) !== undefined
  }

  /** Puts the standby in the place of the active issuing key, whose log takes nothing more. Nobody can be waited for. */
  async replaceLost(): Promise<void> {
    const active = this.active('qip-token')
    const standby = await this.standby('qip-token')
    const { kid } = active.record.key
    await this.#options.keys.move(
      [
        { kid, to: 'retiring' },
        { kid: standby.record.key.kid, to: 'active' },
      ],
      this.#emergency(active, { to: standby, cause: 'lost' }),
    )
    await this.standby('qip-token')
  }

  /**
   * Takes every key out of use that a revocation names, and closes its log: a batch that is under way fails. Another key is there
   * before. @returns whether there was one
   */
  async compromiseRevoked(): Promise<boolean> {
    const { keys, isRevoked, uses } = this.#options
    await keys.settle()
    const revoked = keys
      .list()
      .filter(
        (held) => keys.isOwn(held) && (uses === undefined || uses.some((use) => use === held.record.use)),
      )
      .filter(
        ({ record, companion }) =>
          record.state !== 'compromised' &&
          (isRevoked(record.key.kid) || (companion !== undefined && isRevoked(companion.kid))),
      )
    // As they are now: a step before may have made one of them the active one.
    for (const { record } of revoked) await compromiseKey(this.#emergencies(), record.key.kid)
    return revoked.length > 0
  }

  /**
   * Retires keys whose last tokens have ended, and closes their logs. The rotation that took them out of use is complete then.
   *
   * @param inUse the key that is still issued with, whatever its state
   * @returns the keys that were retired
   */
  async retireEnded(inUse: string): Promise<readonly HeldKey[]> {
    const { keys, clock } = this.#options
    const nowMs = clock.now()
    const ended = keys
      .list()
      .filter((held) => keys.isOwn(held) && this.#uses.some((use) => use === held.record.use))
      .filter(({ record, changedMs }) => record.state === 'retiring' && nowMs - changedMs > retireAfterMs)
      .filter(({ record }) => record.key.kid !== inUse)
    for (const held of ended) {
      await this.retire(held, leaveStatements(held.record.key.kid, { ms: nowMs }))
    }
    return ended
  }

  /**
   * Retires a key for ever. The mark of an issuing key's log goes first, before any bundle can say so: by the mark that is missing a
   * store that is older finds out what verifiers know. Its log must not be the one of the highest number, which keeps its mark. The
   * private half of an issuing key is destroyed.
   */
  async retire(held: HeldKey, beside: readonly SqlStatement[]): Promise<void> {
    const { keys, store } = this.#options
    const { use, key, log } = held.record
    const isIssuing = use === 'qip-token' && log !== undefined
    if (isIssuing) await store.highWater.drop([log])
    await keys.move(
      [{ kid: key.kid, to: 'retired' }],
      [...beside, ...(isIssuing ? [closeStatement(log)] : [])],
    )
    if (isIssuing) await keys.destroy(held)
  }

  /** A process may have died between the end of a key and that of its private half. */
  async #destroyEnded(): Promise<void> {
    const { keys, clock } = this.#options
    const since = clock.now() - destroyAgainMs
    for (const held of keys.list()) {
      const { use, state } = held.record
      if (use === 'qip-token' && state === 'retired' && held.changedMs > since) await keys.destroy(held)
    }
  }

  /** The key that issues now, or that will once its log is opened. */
  get activeKid(): string {
    return this.active('qip-token').record.key.kid
  }

  /** @throws {AuthorityError} `QIP_AUTHORITY_INVARIANT` where there is none: before the registry is open, for logs. */
  active(use: RotatedUse): HeldKey {
    const active = this.#options.keys.find(use, 'active')
    if (active === undefined)
      throw new AuthorityError('QIP_AUTHORITY_INVARIANT', { what: `no key of use ${use} is active` })
    return active
  }

  /**
   * The key that is next: the published one; else one that was planned is published, or a new one is made.
   *
   * @param besides a key that is not to be it
   */
  async standby(use: RotatedUse, besides?: string): Promise<HeldKey> {
    const { keys } = this.#options
    const published = this.#usable(use, 'published').find(({ record }) => record.key.kid !== besides)
    if (published !== undefined) return published
    const [planned] = this.#usable(use, 'planned')
    if (planned === undefined) return this.create(use, 'published')
    await keys.move([{ kid: planned.record.key.kid, to: 'published' }])
    return keys.get(planned.record.key.kid) as HeldKey
  }

  /** Publishes a standby of every use that has none. */
  async ensureStandbys(): Promise<void> {
    for (const use of this.#uses) {
      if (this.#options.keys.find(use, 'active') !== undefined) await this.standby(use)
    }
  }

  /** Makes a key of a use. One that is `planned` is in custody and in no bundle, until it is its turn to be the standby. */
  async create(use: RotatedUse, state: 'planned' | 'published' | 'active'): Promise<HeldKey> {
    const { keys, jwtAlgorithm } = this.#options
    if (use === 'qip-token') return this.#createIssuing(state)
    if (use === 'qip-log') {
      const { name, log } = this.active(use).record
      return keys.create({ use, alg: 'ML-DSA-44', state, ...(name && { name }), ...(log && { log }) })
    }
    return keys.create({ use, alg: use === 'qip-jwt' ? jwtAlgorithm : 'ML-DSA-44', state })
  }

  /** The keys of a use in a state that no revocation names; those of a log, for the log that is open. */
  #usable(use: RotatedUse, state: KeyState): readonly HeldKey[] {
    const { keys, isRevoked } = this.#options
    const log = use === 'qip-log' ? this.active(use).record.log : undefined
    return keys
      .list()
      .filter((held) => keys.isOwn(held))
      .filter(({ record }) => record.use === use && record.state === state)
      .filter(({ record }) => log === undefined || record.log === log)
      .filter(({ record, companion }) => {
        return !isRevoked(record.key.kid) && (companion === undefined || !isRevoked(companion.kid))
      })
  }

  async #ensureActive(use: (typeof ensuredUses)[number]): Promise<void> {
    const { keys } = this.#options
    if (keys.find(use, 'active') !== undefined) return
    const [standby] = this.#usable(use, 'published')
    if (standby === undefined) await this.create(use, 'active')
    else await keys.move([{ kid: standby.record.key.kid, to: 'active' }])
  }

  #emergencies(): EmergencyOptions {
    const { keys, store, clock } = this.#options
    return {
      keys,
      store,
      nowMs: clock.now(),
      standby: (use) => this.standby(use),
      statements: (from, to) => this.#emergency(from, { to, cause: 'compromised' }),
    }
  }

  /** What of the rotations changes with a change that nobody is asked about. */
  #emergency(
    { record }: HeldKey,
    { to, cause }: { readonly to: HeldKey; readonly cause: 'compromised' | 'lost' },
  ): readonly SqlStatement[] {
    const ms = this.#options.clock.now()
    const use = record.use as RotatedUse
    const [from, instance] = [record.key.kid, use === 'qip-token' ? this.#options.keys.instance : '']
    const detail =
      cause === 'lost' ? 'the token log takes nothing more' : 'a revocation names the key that signed'
    const rotation = {
      use,
      instance,
      from,
      to: to.record.key.kid,
      cause,
      askedBy: 'authority',
      startedMs: ms,
    }
    return [
      endAllStatement({ use, instance, phase: 'waiting' }, { outcome: 'superseded', ms }),
      endAllStatement({ use, instance, phase: 'settling' }, { outcome: 'superseded', ms }),
      doneStatement(rotation, detail),
    ]
  }

  async #createIssuing(state: 'planned' | 'published' | 'active'): Promise<HeldKey> {
    const { td, keys, hybrid } = this.#options
    let number = this.#nextNumber()
    while (!(await this.#reserve(tokenLogOrigin(td, number)))) number += 1
    const [name, log] = [issuerName(td, number), tokenLogOrigin(td, number)]
    return keys.create({ use: 'qip-token', alg: 'ML-DSA-44', state, name, log, hybrid })
  }

  /** Takes a name for this instance alone. @returns whether no other one has it */
  async #reserve(log: string): Promise<boolean> {
    const { keys, store } = this.#options
    // Seen in a state: it is another instance's.
    if (store.highWater.marks().some(({ origin }) => origin === log)) return false
    // Outside the store first: verifiers may see the key a moment later, and a restored store must not use its number again.
    await store.highWater.reserve(log)
    if (keys.instance === '') return true
    try {
      await store.sql.transact([{ ...createLogStatement(log), expect: 1, what: `the name ${log}` }])
      return true
    } catch (error) {
      if (isQipError(error, 'QIP_AUTHORITY_CONFLICT')) return false
      throw error
    }
  }

  /**
   * A log without a mark was closed for ever; a store that is older than that still has its key in use. Verifiers know that it
   * retired. Where there are no marks at all, they were lost: only the key that never signed is given up here, and the log of the
   * active one when it is opened.
   */
  async #retireClosed(): Promise<void> {
    const { keys, store } = this.#options
    const lost = store.highWater.marks().length === 0
    for (const held of keys.list()) {
      const { record } = held
      if (record.use !== 'qip-token' || record.log === undefined || !living.has(record.state)) continue
      if (!keys.isOwn(held)) continue
      if (store.highWater.mark(record.log) !== undefined) continue
      if (lost && record.state !== 'published') continue
      await closeLog(store, record.log)
      const { kid } = record.key
      await keys.move([{ kid, to: 'retired' }], leaveStatements(kid, { ms: this.#options.clock.now() }))
    }
  }

  /**
   * Forgets the marks of logs that are closed for ever, except the highest number of each kind. Before verifiers learn that a key
   * retired: a store that is older than that finds it out by the mark that is missing.
   */
  async dropMarks(): Promise<void> {
    const { keys, store } = this.#options
    const alive = new Set(
      keys.list().flatMap(({ record }) => (reserving.has(record.state) ? [record.log] : [])),
    )
    const highest = new Map<string, number>()
    const marks = store.highWater
      .marks()
      .map(({ origin }) => ({ origin, kind: kindOf(origin), number: tokenLogNumber(origin) }))
    for (const { kind, number } of marks) highest.set(kind, Math.max(number, highest.get(kind) ?? 0))
    const closed = marks.filter(
      ({ origin, kind, number }) => !alive.has(origin) && number !== highest.get(kind),
    )
    if (closed.length > 0) await store.highWater.drop(closed.map(({ origin }) => origin))
  }

  /** Above every number that the store or the marks outside of it know: a number is never used again. */
  #nextNumber(): number {
    const { td, keys, store } = this.#options
    const prefix = `${trustDomainName(td)}/tokens/`
    const origins = [
      ...keys.list().map(({ record }) => record.log ?? ''),
      ...store.highWater.marks().map(({ origin }) => origin),
    ]
    const numbers = origins
      .filter((origin) => origin.startsWith(prefix))
      .map((origin) => tokenLogNumber(origin))
    return Math.max(0, ...numbers) + 1
  }
}

/** `acme.example/tokens/` of `acme.example/tokens/7`. */
function kindOf(origin: string): string {
  return origin.slice(0, origin.lastIndexOf('/') + 1)
}
