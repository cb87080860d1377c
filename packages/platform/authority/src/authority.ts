import { type Clock, type Random, systemClock, systemRandom, type TrustDomain } from '@quantum-ip/base'
import type { PublicKey } from '@quantum-ip/crypto'
import type { RevocationRecord, RootDocument } from '@quantum-ip/trust'
import { Acts } from './acts.ts'
import { AdmissionDesk } from './admission/admission.ts'
import { joinTokenMethod } from './admission/join-token.ts'
import type { Sessions } from './admission/sessions.ts'
import { AuthorityError } from './authority-errors.ts'
import type { AuthorityOptions } from './authority-options.ts'
import { type AuthorityParts, isRevoked, isSessionRevoked, openParts } from './authority-parts.ts'
import { Adjudications } from './decisions/adjudications.ts'
import { Decisions } from './decisions/decisions.ts'
import type { Acknowledgement, Fleet, MemberSession } from './fleet.ts'
import { openWatch, type Watch } from './detection/watch.ts'
import { openOperations, type Operations } from './operations/operations.ts'
import type { ExchangeOptions } from './issuance/exchange.ts'
import { batchSettingsOf, issuanceRulesOf } from './issuance/issuance-settings.ts'
import { Issuer } from './issuance/issuer.ts'
import { References } from './issuance/references.ts'
import { closeLog, type TokenLog } from './issuance/token-log.ts'
import type { IssuanceRules, TokenOrder } from './issuance/token-order.ts'
import type { HeldKey, KeyRing } from './keys/key-ring.ts'
import type { Probe, RotatedUse, Rotation } from './keys/rotation.ts'
import { openRotations } from './keys/open-rotations.ts'
import type { RollbackOrder, RotationOrder, Rotations } from './keys/rotations.ts'
import { followOthers } from './keys/key-follower.ts'
import { isBundleBehind, KeySchedule } from './keys/schedule.ts'
import { openLogs, type PublishedLogs } from './ledger/ledger-beyond.ts'
import type { Registry } from './ledger/registry.ts'
import { openAlone } from './instances/exclusive-store.ts'
import { Identifiers } from './state/identifiers.ts'
import { listedHead } from './state/listed-logs.ts'
import { Propagation } from './state/propagation.ts'
import type { Policies } from './policies/policies.ts'
import { PolicyReports } from './policies/policy-reports.ts'
import { openPromotions } from './policies/open-promotions.ts'
import type { Promotions } from './policies/promotions.ts'
import type { IssuanceRecords } from './records/issuance-records.ts'
import { LogEnds } from './records/log-ends.ts'
import type { Publisher } from './state/publisher.ts'
import type { RevocationOrder, Revocations } from './state/revocations.ts'
import type { Store } from './store/open-store.ts'

const maintenanceMs = 30_000
const quarterMs = 90 * 24 * 3_600_000
/** While a rotation is under way, so often is looked whether its next step can be taken. */
const rotationStepMs = 500

/**
 * The service of a trust domain, without its server: keys, admission, issuance, registry, revocation, state.
 *
 * One process, one store. Everything that it acknowledges is durable before it says so.
 */
export class Authority {
  readonly trustDomain: TrustDomain
  readonly clock: Clock
  readonly random: Random
  readonly store: Store
  readonly keys: KeyRing
  readonly publisher: Publisher
  readonly sessions: Sessions
  readonly admission: AdmissionDesk
  readonly issuer: Issuer
  readonly registry: Registry
  /** Every log, for whoever reads it. */
  readonly logs: PublishedLogs
  readonly revocations: Revocations
  readonly identifiers: Identifiers
  readonly references: References
  readonly decisions: Decisions
  readonly adjudications: Adjudications
  readonly fleet: Fleet
  readonly propagation: Propagation
  readonly rotations: Rotations
  readonly policies: Policies
  readonly policyReports: PolicyReports
  readonly promotions: Promotions
  readonly acts: Acts
  readonly watch: Watch
  /** Incidents and windows. */
  readonly operations: Operations
  readonly records: IssuanceRecords | undefined
  /** Where closed token logs ended. */
  readonly logEnds: LogEnds
  readonly issuanceRules: IssuanceRules
  readonly joinTokenTtlS: number
  /** What an RFC 8693 exchange is checked with. */
  readonly exchange: ExchangeOptions
  readonly #parts: AuthorityParts
  readonly #schedule: KeySchedule
  #timer: NodeJS.Timeout | undefined
  #stepTimer: NodeJS.Timeout | undefined
  #others: { close(): void } | undefined
  #isAdvancing = false
  /** Changes of keys, one after the other. */
  #changing: Promise<unknown> = Promise.resolve()
  #appliedEpoch: number

  private constructor(options: AuthorityOptions, parts: AuthorityParts) {
    const { store, clock, random } = parts
    this.#parts = parts
    this.trustDomain = options.trustDomain
    this.issuanceRules = issuanceRulesOf(options)
    this.joinTokenTtlS = options.joinTokenTtlS ?? 600
    this.clock = clock
    this.random = random
    this.store = store
    this.keys = parts.keys
    this.publisher = parts.publisher
    this.sessions = parts.sessions
    this.policies = parts.policies
    this.policyReports = new PolicyReports(store.sql, clock)
    this.registry = parts.registry
    this.revocations = parts.revocations
    this.identifiers = new Identifiers(store.sql)
    this.references = new References(store.sql, clock, random)
    const { references } = this
    this.exchange = { sql: store.sql, keys: parts.keys, references, revocations: parts.index, clock }
    this.decisions = new Decisions(store.sql, clock, options.keepDecisionsMs)
    this.acts = new Acts(store.sql, clock, options.onAct)
    const { sql } = store
    this.adjudications = new Adjudications({ sql, clock, acts: this.acts }, options.onAdjudication)
    this.watch = openWatch(parts, options, { acts: this.acts, revoke: (order) => this.revoke(order) })
    this.operations = openOperations(parts, options, this.acts)
    this.admission = new AdmissionDesk({
      methods: [joinTokenMethod({ sql: store.sql, clock, random, td: options.trustDomain })],
      rules: options.rules,
      requireAttestation: options.requireAttestation,
      sessions: parts.sessions,
      records: parts.records,
      registry: parts.registry,
      clock,
      sessionTtlS: options.sessionTtlS ?? 24 * 3_600,
      isRevoked: (sid, build) => isRevoked(parts, sid, build),
    })
    this.records = parts.records
    this.issuer = this.#createIssuer(options)
    this.logs = openLogs(options, parts, () => this.issuer.log)
    const keepMs = options.keepLogsMs ?? quarterMs
    this.logEnds = new LogEnds({ sql: store.sql, clock, keys: this.keys, logs: this.logs, keepMs })
    this.fleet = parts.fleet
    this.propagation = new Propagation(clock)
    this.rotations = openRotations(options, {
      ...parts,
      issuer: this.issuer,
      follow: () => this.#followKeys(),
    })
    this.promotions = openPromotions(options, { ...parts, reports: this.policyReports })
    this.#schedule = new KeySchedule(parts.keys, clock, options.keyLifeMs)
    this.#appliedEpoch = parts.revocations.epoch
    this.#timer = setInterval(() => void this.maintain().catch(() => undefined), maintenanceMs)
    this.#timer.unref()
    if (options.leads !== undefined) this.#others = followOthers(parts, (change) => this.#inTurn(change))
    this.#stepTimer = setInterval(() => {
      if (this.rotations.mayWait) this.#advanceSoon()
      // A step that fails is taken again by the next look.
      if (this.promotions.mayAdvance) void this.promotions.advance().catch(() => undefined)
    }, options.rotationStepMs ?? rotationStepMs)
    this.#stepTimer.unref()
  }

  /**
   * Opens the authority of a trust domain, and founds the trust domain where there is none yet.
   *
   * @throws {AuthorityError} as `openStore`
   */
  static async open(options: AuthorityOptions): Promise<Authority> {
    const clock = options.clock ?? systemClock
    const random = options.random ?? systemRandom
    const store = options.store ?? (await openAlone(options))
    try {
      return new Authority(options, await openParts(options, { store, clock, random }))
    } catch (error) {
      await store.close()
      throw error
    }
  }

  /**
   * Begins the rotation of a use, or takes up the one that waits already. The new key signs once the fleet has acknowledged it; by
   * then, if nobody has to be waited for.
   *
   * @throws {AuthorityError} `QIP_AUTHORITY_STORE_UNAVAILABLE`: it may go on by itself
   */
  rotate(order: Omit<RotationOrder, 'cause'>): Promise<Rotation> {
    return this.#inTurn(() => this.rotations.start({ ...order, cause: 'requested' }))
  }

  /**
   * Takes the newest rotation of a use back.
   *
   * @throws {AuthorityError} `QIP_AUTHORITY_ROTATION_REFUSED`
   */
  rollBack(order: RollbackOrder): Promise<Rotation> {
    return this.#inTurn(() => this.rotations.rollBack(order))
  }

  /** Makes the key that is next after the standby: in custody, and in no bundle yet. */
  planKey(use: RotatedUse): Promise<HeldKey> {
    return this.#inTurn(() => this.#parts.lifecycle.create(use, 'planned'))
  }

  /**
   * Takes down what a member says, and takes the steps of rotations that waited for it.
   *
   * @returns a probe that it is to verify
   * @throws {AuthorityError} as {@link Fleet.acknowledge}
   */
  async acknowledge(session: MemberSession, told: Acknowledgement): Promise<Probe | undefined> {
    const member = await this.fleet.acknowledge(session, told)
    if (this.rotations.mayWait || told.probe !== undefined) this.#advanceSoon()
    return this.rotations.probeFor(member)
  }

  /** Takes every step of a rotation that can be taken now. It is done by itself, after acknowledgements and every half second. */
  advance(): Promise<boolean> {
    return this.#inTurn(() => this.rotations.advance())
  }

  /** The root document in force. */
  get root(): RootDocument {
    return this.#parts.root.current.document
  }

  /** The signed root document, DSSE as JSON. */
  get rootText(): string {
    return this.#parts.root.current.text
  }

  /** The bundle keys in custody; those that the root document lists sign. */
  get bundleKeys(): readonly PublicKey[] {
    return this.#parts.root.bundleKeys
  }

  /** Makes a bundle key, for the next root document to list. */
  createBundleKey(): Promise<PublicKey> {
    return this.#inTurn(() => this.#parts.root.createBundleKey())
  }

  /**
   * Goes over to the next root document, which follows on the one in force. Resolves when verifiers can see it.
   *
   * @throws {AuthorityError} `QIP_AUTHORITY_ROOT_REFUSED` · `QIP_AUTHORITY_STORE_UNAVAILABLE`: it may come into force later
   */
  installRoot(text: string): Promise<RootDocument> {
    return this.#inTurn(async () => {
      const { root } = this.#parts
      const next = await root.keep(text)
      await this.publisher.changeRoot(next, () => root.enter(next))
      return next.document
    })
  }

  /**
   * Revokes, and resolves once the state that confirms it is published.
   *
   * @throws {AuthorityError} `QIP_AUTHORITY_REVOCATION_REFUSED` · `QIP_AUTHORITY_STORE_UNAVAILABLE`: it may come into force later
   * @throws {TrustError} `QIP_TRUST_DOCUMENT_MALFORMED`
   */
  async revoke(
    order: RevocationOrder,
  ): Promise<{ readonly record: RevocationRecord; readonly seq: number; readonly sessionsEnded: number }> {
    if (order.kind === 'key' && this.keys.withCompanion(order.value) === undefined) {
      throw new AuthorityError('QIP_AUTHORITY_REVOCATION_REFUSED', {
        reason: `no key has the thumbprint \`${order.value}\``,
      })
    }
    const orderedMs = this.clock.now()
    const record = await this.revocations.add(order)
    this.propagation.ordered(record.epoch, orderedMs)
    const { seq, sessionsEnded } = await this.#enforceRevocations()
    return { record, seq, sessionsEnded }
  }

  /**
   * What time demands of keys, and what an earlier failure left undone. It is done every 30 s by itself.
   *
   * @throws {AuthorityError} `QIP_AUTHORITY_STORE_UNAVAILABLE`
   */
  async maintain(): Promise<void> {
    await this.revocations.settle()
    if (this.revocations.epoch > this.#appliedEpoch) await this.#enforceRevocations()
    await this.logEnds.prepare()
    await this.#inTurn(async () => {
      const { lifecycle } = this.#parts
      const compromised = await lifecycle.compromiseRevoked()
      const retired = await lifecycle.retireEnded(this.issuer.log.kid)
      const behind = lifecycle.activeKid !== this.issuer.log.kid || isBundleBehind(this.publisher, this.keys)
      if (compromised || behind || retired.length > 0) await this.#followKeys()
      await this.#schedule.start(this.rotations)
      await this.rotations.advance()
    })
    if (await this.policies.signAgain()) await this.publisher.publish()
    await this.policyReports.prune()
    await this.watch.maintain()
    await this.operations.maintain()
    await this.records?.prune()
    await this.logEnds.maintain()
  }

  async close(): Promise<void> {
    clearInterval(this.#timer)
    clearInterval(this.#stepTimer)
    this.#others?.close()
    await this.issuer.close()
    await this.#changing.catch(() => undefined)
    await this.watch.close()
    await this.logs.close()
    await this.registry.close()
    await this.publisher.close()
    await this.store.close()
  }

  /** Issues with the active key, and lets verifiers know the keys as they are. */
  async #followKeys(): Promise<TokenLog> {
    const { lifecycle, logs } = this.#parts
    if (lifecycle.activeKid !== this.issuer.log.kid) {
      const log = await lifecycle.openIssuingLog()
      logs.set(log.origin, listedHead(log))
      // Before the bundle is out: verifiers take tokens of a published key, and the key before may be compromised.
      await this.issuer.use(log)
    }
    for (const { record } of this.keys.list()) {
      if (record.use === 'qip-token' && record.state === 'retired') logs.delete(record.log ?? '')
    }
    await lifecycle.dropMarks()
    await this.publisher.publishKeys()
    return this.issuer.log
  }

  #replaceLost({ kid, origin }: TokenLog): Promise<void> {
    return this.#inTurn(async () => {
      // Several batches may have failed before the first of them got here.
      if (this.issuer.log.kid !== kid) return
      if (this.#parts.lifecycle.activeKid === kid) {
        await closeLog(this.store, origin)
        await this.#parts.lifecycle.replaceLost()
      }
      await this.#followKeys()
    })
  }

  /** Brings all that is held in memory in line with the records, also one whose fate was unknown when it was added. */
  async #enforceRevocations(): Promise<{ readonly seq: number; readonly sessionsEnded: number }> {
    const { index, lifecycle } = this.#parts
    const records = this.revocations.since(this.#appliedEpoch)
    index.apply(records, Math.floor(this.clock.now() / 1_000))
    this.#appliedEpoch += records.length
    // In memory they end at once. That the store cannot be written must not keep a stolen key in use.
    const ended = this.sessions.end((session) => isSessionRevoked(this.#parts, session))
    const [sessions, keys] = await Promise.allSettled([
      ended,
      this.#inTurn(async () => (await lifecycle.compromiseRevoked()) && this.#followKeys()),
    ])
    const { seq } = await this.publisher.publish()
    if (keys.status === 'rejected') throw keys.reason
    if (sessions.status === 'rejected') throw sessions.reason
    return { seq, sessionsEnded: sessions.value }
  }

  #inTurn<Result>(change: () => Promise<Result>): Promise<Result> {
    const changed = this.#changing.catch(() => undefined).then(change)
    this.#changing = changed
    return changed
  }

  #createIssuer(options: AuthorityOptions): Issuer {
    return new Issuer(this.#parts.issuing, {
      clock: this.clock,
      random: this.random,
      publisher: this.publisher,
      highWater: this.store.highWater,
      records: this.records,
      jwtSigner: () => this.keys.activeSigner('qip-jwt'),
      admits: (order) => this.#admits(order),
      refer: (tokens, keyId) => this.references.refer(tokens, keyId),
      onLogLost: (log) => {
        options.onEvent?.('log_lost', { origin: log.origin })
        void this.#replaceLost(log).catch(() => undefined)
      },
      ...batchSettingsOf(options),
    })
  }

  /** A step that fails is taken again by the next one. */
  #advanceSoon(): void {
    if (this.#isAdvancing) return
    this.#isAdvancing = true
    void this.advance()
      .catch(() => undefined)
      .finally(() => {
        this.#isAdvancing = false
      })
  }

  #admits({ session, build }: TokenOrder): boolean {
    return !isRevoked(this.#parts, session.sid, build?.bytes)
  }
}
