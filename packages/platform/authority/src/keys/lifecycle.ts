import { type Clock, isQipError, type TrustDomain, trustDomainName } from '@quantum-ip/base'
import type { SignatureAlgorithm } from '@quantum-ip/crypto'
import { AuthorityError } from '../authority-errors.ts'
import {
  closeLog,
  issuerName,
  openTokenLog,
  type TokenLog,
  tokenLogNumber,
  tokenLogOrigin,
} from '../issuance/token-log.ts'
import type { Store } from '../store/open-store.ts'
import type { KeyState } from '@quantum-ip/trust'
import type { HeldKey, KeyPlan, KeyRing } from './key-ring.ts'

/** A token may live this long after its key stopped issuing; only then is the key retired. */
const retireAfterMs = 3_600_000 + 60_000

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
}

/** In these states a key may still sign, or what it signed a moment ago still counts. */
const living: ReadonlySet<KeyState> = new Set(['published', 'active', 'retiring'])

/**
 * The keys that an authority needs to work: one active feed, JWT and issuing key, and one issuing key published ahead, so that
 * every verifier holds the next key before it signs anything.
 */
export class KeyLifecycle {
  readonly #options: LifecycleOptions

  constructor(options: LifecycleOptions) {
    this.#options = options
  }

  /** Brings the keys in line with what is known outside the store, and makes what is missing. */
  async ensure(): Promise<void> {
    const { keys, isRevoked } = this.#options
    await this.#retireClosed()
    for (const use of ['qip-feed', 'qip-jwt'] as const) {
      const active = keys.find(use, 'active')
      if (active === undefined || isRevoked(active.record.key.kid)) await keys.create(this.#planOf(use))
    }
    if (keys.find('qip-token', 'active') === undefined) await this.#createIssuing('active')
    await this.#ensureStandby()
    await this.compromiseRevoked()
    await this.#dropMarks()
  }

  /**
   * Opens the log of the active issuing key. If it is no extension of what was signed here before, or its private key is lost,
   * it is closed for ever, and the next one is opened.
   */
  async openIssuingLog(): Promise<TokenLog> {
    for (;;) {
      const active = this.#active()
      const log = await this.#tryOpen(active)
      if (log !== undefined) return log
      await closeLog(this.#options.store, active.record.log ?? '')
      await this.#step(active, 'retiring')
    }
  }

  /** Makes the published issuing key the active one, and publishes another one behind it. Its log is opened next. */
  async rotate(): Promise<void> {
    await this.#step(this.#active(), 'retiring')
  }

  /**
   * Takes every key out of use that a revocation names, and closes its log: a batch that is under way fails. Another key is there
   * before. @returns whether there was one
   */
  async compromiseRevoked(): Promise<boolean> {
    const { keys, store, isRevoked } = this.#options
    const revoked = keys
      .list()
      .filter(
        ({ record, companion }) =>
          record.state !== 'compromised' &&
          (isRevoked(record.key.kid) || (companion !== undefined && isRevoked(companion.kid))),
      )
    for (const { record } of revoked) {
      // As it is now: a step before this one may have made it the active one.
      const held = keys.get(record.key.kid) as HeldKey
      const { use, key, state, log } = held.record
      if (use === 'qip-token' && log !== undefined) await closeLog(store, log)
      if (use === 'qip-token' && state === 'active') {
        await this.#step(held, 'compromised')
        continue
      }
      const replaced = (use === 'qip-feed' || use === 'qip-jwt') && keys.find(use, 'active') === held
      if (replaced) await keys.create(this.#planOf(use))
      await keys.move([{ kid: key.kid, to: 'compromised' }])
      await this.#ensureStandby()
    }
    return revoked.length > 0
  }

  /**
   * Retires keys whose last tokens have ended, and closes their logs.
   *
   * @param inUse the key that is still issued with, whatever its state
   * @returns the keys that were retired
   */
  async retireEnded(inUse: string): Promise<readonly HeldKey[]> {
    const { keys, clock, store } = this.#options
    const ended = keys
      .list()
      .filter(
        ({ record, changedMs }) => record.state === 'retiring' && clock.now() - changedMs > retireAfterMs,
      )
      .filter(({ record }) => record.key.kid !== inUse)
    for (const { record } of ended) {
      await keys.move([{ kid: record.key.kid, to: 'retired' }])
      if (record.use === 'qip-token' && record.log !== undefined) await closeLog(store, record.log)
    }
    if (ended.length > 0) await this.#dropMarks()
    return ended
  }

  /** The key that issues now, or that will once its log is opened. */
  get activeKid(): string {
    return this.#active().record.key.kid
  }

  /** Since when the active issuing key signs, milliseconds. */
  get activeSinceMs(): number {
    return this.#active().changedMs
  }

  async #step(active: HeldKey, leaves: 'retiring' | 'compromised'): Promise<void> {
    const { keys } = this.#options
    const standby = await this.#ensureStandby()
    await keys.move([
      { kid: active.record.key.kid, to: leaves },
      { kid: standby.record.key.kid, to: 'active' },
    ])
    await this.#ensureStandby()
  }

  async #tryOpen(active: HeldKey): Promise<TokenLog | undefined> {
    try {
      return await openTokenLog(this.#options, active.record.key.kid)
    } catch (error) {
      if (isQipError(error, 'QIP_AUTHORITY_NOT_FOUND')) return undefined
      throw error
    }
  }

  #active(): HeldKey {
    const active = this.#options.keys.find('qip-token', 'active')
    if (active === undefined)
      throw new AuthorityError('QIP_AUTHORITY_INVARIANT', { what: 'no issuing key is active' })
    return active
  }

  async #ensureStandby(): Promise<HeldKey> {
    return this.#options.keys.find('qip-token', 'published') ?? this.#createIssuing('published')
  }

  #planOf(use: 'qip-feed' | 'qip-jwt'): KeyPlan {
    return { use, alg: use === 'qip-jwt' ? this.#options.jwtAlgorithm : 'ML-DSA-44', state: 'active' }
  }

  async #createIssuing(state: 'active' | 'published'): Promise<HeldKey> {
    const { td, keys, store } = this.#options
    const number = this.#nextNumber()
    const log = tokenLogOrigin(td, number)
    // Outside the store first: verifiers may see the key a moment later, and a restored store must not use its number again.
    await store.highWater.reserve(log)
    const name = issuerName(td, number)
    return keys.create({ use: 'qip-token', alg: 'ML-DSA-44', state, name, log, hybrid: this.#options.hybrid })
  }

  /**
   * A log without a mark was closed for ever; a store that is older than that still has its key in use. Verifiers know that it
   * retired. Where there are no marks at all, they were lost: only the key that never signed is given up here, and the log of the
   * active one when it is opened.
   */
  async #retireClosed(): Promise<void> {
    const { keys, store } = this.#options
    const lost = store.highWater.marks().length === 0
    for (const { record } of keys.list()) {
      if (record.use !== 'qip-token' || record.log === undefined || !living.has(record.state)) continue
      if (store.highWater.mark(record.log) !== undefined) continue
      if (lost && record.state !== 'published') continue
      await closeLog(store, record.log)
      await keys.move([{ kid: record.key.kid, to: 'retired' }])
    }
  }

  /** Forgets the marks of logs that are closed for ever, except the highest number of each kind. */
  async #dropMarks(): Promise<void> {
    const { keys, store } = this.#options
    const alive = new Set(keys.list().flatMap(({ record }) => (living.has(record.state) ? [record.log] : [])))
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
