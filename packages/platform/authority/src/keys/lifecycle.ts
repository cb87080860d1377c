import { type Clock, type TrustDomain, trustDomainName } from '@quantum-ip/base'
import type { SignatureAlgorithm } from '@quantum-ip/crypto'
import { isQipError } from '@quantum-ip/base'
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
import type { HeldKey, KeyRing } from './key-ring.ts'

/** A token may live this long after its key stopped issuing; only then is the key retired. */
const retireAfterMs = 3_600_000 + 60_000

/** What the lifecycle of keys works on. */
export interface LifecycleOptions {
  readonly td: TrustDomain
  readonly store: Store
  readonly keys: KeyRing
  readonly clock: Clock
  readonly jwtAlgorithm: SignatureAlgorithm
}

/**
 * The keys that an authority needs to work: one active feed, JWT and issuing key, and one issuing key published ahead, so that
 * every verifier holds the next key before it signs anything.
 */
export class KeyLifecycle {
  readonly #options: LifecycleOptions

  constructor(options: LifecycleOptions) {
    this.#options = options
  }

  /** Makes what is missing. */
  async ensure(): Promise<void> {
    const { keys, jwtAlgorithm } = this.#options
    if (keys.find('qip-feed', 'active') === undefined) {
      await keys.create({ use: 'qip-feed', alg: 'ML-DSA-44', state: 'active' })
    }
    if (keys.find('qip-jwt', 'active') === undefined) {
      await keys.create({ use: 'qip-jwt', alg: jwtAlgorithm, state: 'active' })
    }
    if (keys.find('qip-token', 'active') === undefined) await this.#createIssuing('active')
    await this.#ensureStandby()
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

  /**
   * Goes over to the published issuing key and its log, and publishes another one behind it.
   *
   * @param leaves what becomes of the key that signed so far: `retiring`, or `compromised`
   */
  async rotate(leaves: 'retiring' | 'compromised'): Promise<TokenLog> {
    await this.#step(this.#active(), leaves)
    return this.openIssuingLog()
  }

  /** Retires keys whose last tokens have ended, and closes their logs. @returns the keys that were retired */
  async retireEnded(): Promise<readonly HeldKey[]> {
    const { keys, clock, store } = this.#options
    const ended = keys
      .list()
      .filter(({ record, changedMs }) => record.state === 'retiring' && clock.now() - changedMs > retireAfterMs)
    for (const { record } of ended) {
      await keys.move([{ kid: record.key.kid, to: 'retired' }])
      if (record.use !== 'qip-token' || record.log === undefined) continue
      await closeLog(store, record.log)
      await store.highWater.drop(record.log)
    }
    return ended
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
    if (active === undefined) throw new AuthorityError('QIP_AUTHORITY_INVARIANT', { what: 'no issuing key is active' })
    return active
  }

  async #ensureStandby(): Promise<HeldKey> {
    return this.#options.keys.find('qip-token', 'published') ?? this.#createIssuing('published')
  }

  #createIssuing(state: 'active' | 'published'): Promise<HeldKey> {
    const { td, keys } = this.#options
    const number = this.#nextNumber()
    return keys.create({
      use: 'qip-token',
      alg: 'ML-DSA-44',
      state,
      name: issuerName(td, number),
      log: tokenLogOrigin(td, number),
    })
  }

  /** Above every number that the store or the marks outside of it know: a number is never used again. */
  #nextNumber(): number {
    const { td, keys, store } = this.#options
    const prefix = `${trustDomainName(td)}/tokens/`
    const origins = [
      ...keys.list().map(({ record }) => record.log ?? ''),
      ...store.highWater.marks().map(({ origin }) => origin),
    ]
    const numbers = origins.filter((origin) => origin.startsWith(prefix)).map((origin) => tokenLogNumber(origin))
    return Math.max(0, ...numbers) + 1
  }
}
