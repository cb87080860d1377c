import { type Clock, type Random, systemClock, systemRandom, type TrustDomain } from '@quantum-ip/base'
import type { AdmissionRule, SlsaLevel } from '@quantum-ip/attestation'
import { parseEnvelope, type PublicKey, type SignatureAlgorithm, type Signer } from '@quantum-ip/crypto'
import { type LogHead, parseRootDocument, RevocationIndex, type RevocationRecord, type RootDocument } from '@quantum-ip/trust'
import { join } from 'node:path'
import { AdmissionDesk, type AttestationDemand } from './admission/admission.ts'
import { joinTokenMethod } from './admission/join-token.ts'
import { type Session, Sessions } from './admission/sessions.ts'
import { AuthorityError } from './authority-errors.ts'
import { Decisions } from './decisions.ts'
import { Fleet } from './fleet.ts'
import type { ExchangeOptions } from './issuance/exchange.ts'
import { type IssuedBatch, Issuer } from './issuance/issuer.ts'
import { References } from './issuance/references.ts'
import type { TokenLog } from './issuance/token-log.ts'
import type { TokenOrder } from './issuance/token-order.ts'
import { KeyLifecycle } from './keys/lifecycle.ts'
import { KeyRing } from './keys/key-ring.ts'
import { createRoot } from './keys/root-keys.ts'
import { Registry } from './ledger/registry.ts'
import { Acts } from './acts.ts'
import { Identifiers } from './state/identifiers.ts'
import { Publisher } from './state/publisher.ts'
import { Revocations, type RevocationOrder } from './state/revocations.ts'
import { openStore, readMeta, type Store, type StorePlaces, writeMetaStatement } from './store/open-store.ts'
import { sqlLogStorage } from './store/sqlite-log-storage.ts'

/** A builder as configuration names it. Its keys must all have signed. */
export interface BuilderOrder {
  readonly id: string
  readonly keys: readonly PublicKey[]
  readonly slsaLevel: SlsaLevel
}

/** What an authority is opened with. */
export interface AuthorityOptions {
  readonly trustDomain: TrustDomain
  readonly places: StorePlaces
  readonly rules: readonly AdmissionRule[]
  readonly builders: readonly BuilderOrder[]
  readonly requireAttestation: readonly { readonly service: string; readonly demand: AttestationDemand }[]
  readonly sessionTtlS?: number
  readonly tokenTtlS?: number
  readonly batchMax?: number
  readonly batchIntervalMs?: number
  readonly headIntervalMs?: number
  readonly heartbeatMs?: number
  /** The life of an issuing key. Default 24 h. */
  readonly keyLifeMs?: number
  readonly jwtAlgorithm?: SignatureAlgorithm
  readonly clock?: Clock
  readonly random?: Random
  readonly onBatch?: (batch: IssuedBatch) => void
  /** Told of what an operator must hear of. */
  readonly onEvent?: (event: string, detail: Readonly<Record<string, string | number>>) => void
}

const maintenanceMs = 30_000

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
  readonly root: RootDocument
  /** The signed root document, DSSE as JSON. */
  readonly rootText: string
  readonly keys: KeyRing
  readonly publisher: Publisher
  readonly sessions: Sessions
  readonly admission: AdmissionDesk
  readonly issuer: Issuer
  readonly registry: Registry
  readonly revocations: Revocations
  readonly identifiers: Identifiers
  readonly references: References
  readonly decisions: Decisions
  readonly fleet: Fleet
  readonly acts: Acts
  readonly tokenTtlS: number
  /** What an RFC 8693 exchange is checked with. */
  readonly exchange: ExchangeOptions
  readonly #parts: AuthorityParts
  #timer: NodeJS.Timeout | undefined
  #rotating: Promise<unknown> = Promise.resolve()

  private constructor(options: AuthorityOptions, parts: AuthorityParts) {
    const { store, clock, random } = parts
    this.#parts = parts
    this.trustDomain = options.trustDomain
    this.tokenTtlS = options.tokenTtlS ?? 300
    this.clock = clock
    this.random = random
    this.store = store
    this.root = parts.root.document
    this.rootText = parts.root.text
    this.keys = parts.keys
    this.publisher = parts.publisher
    this.sessions = parts.sessions
    this.registry = parts.registry
    this.revocations = parts.revocations
    this.identifiers = new Identifiers(store.sql)
    this.references = new References(store.sql, clock, random)
    this.exchange = {
      sql: store.sql,
      keys: parts.keys,
      references: this.references,
      revocations: parts.index,
      clock,
    }
    this.decisions = new Decisions(store.sql, clock)
    this.fleet = new Fleet(clock)
    this.acts = new Acts(store.sql, clock)
    this.admission = new AdmissionDesk({
      methods: [joinTokenMethod({ sql: store.sql, clock, random, td: options.trustDomain })],
      rules: options.rules,
      requireAttestation: options.requireAttestation,
      sessions: parts.sessions,
      registry: parts.registry,
      clock,
      sessionTtlS: options.sessionTtlS ?? 24 * 3_600,
      isRevoked: (sid, build) => this.#isRevoked(sid, build),
    })
    this.issuer = new Issuer(parts.issuing, {
      clock,
      random,
      publisher: parts.publisher,
      highWater: store.highWater,
      jwtSigner: () => this.#jwtSigner(),
      admits: (order) => this.#admits(order),
      refer: (tokens, keyId) => this.references.refer(tokens, keyId),
      onBatch: (batch) => options.onBatch?.(batch),
      onLogLost: (log) => {
        options.onEvent?.('log_lost', { origin: log.origin })
        void this.rotateIssuingKey().catch(() => undefined)
      },
      ...(options.batchMax !== undefined && { batchMax: options.batchMax }),
      ...(options.batchIntervalMs !== undefined && { batchIntervalMs: options.batchIntervalMs }),
    })
    this.#maintain(options.keyLifeMs ?? 24 * 3_600_000)
  }

  /**
   * Opens the authority of a trust domain, and founds the trust domain where there is none yet.
   *
   * @throws {AuthorityError} as `openStore`
   */
  static async open(options: AuthorityOptions): Promise<Authority> {
    const clock = options.clock ?? systemClock
    const random = options.random ?? systemRandom
    const store = await openStore(options.places, options.trustDomain)
    try {
      return new Authority(options, await openParts(options, { store, clock, random }))
    } catch (error) {
      await store.close()
      throw error
    }
  }

  /**
   * Goes over to the next issuing key and token log: verifiers hold the key already, so nothing is refused meanwhile.
   *
   * @param leaves what becomes of the key that signed so far
   */
  rotateIssuingKey(leaves: 'retiring' | 'compromised' = 'retiring'): Promise<TokenLog> {
    const rotated = this.#rotating
      .catch(() => undefined)
      .then(async () => {
        const { lifecycle, logs } = this.#parts
        const log = await lifecycle.rotate(leaves)
        logs.set(log.origin, listedHead(log))
        // Verifiers see the new standby with this; the log that takes over was published before.
        await this.publisher.publishKeys()
        await this.issuer.use(log)
        return log
      })
    this.#rotating = rotated
    return rotated
  }

  /**
   * Revokes, and resolves once the state that confirms it is published.
   *
   * @throws {AuthorityError} `QIP_AUTHORITY_REVOCATION_REFUSED`
   * @throws {TrustError} `QIP_TRUST_DOCUMENT_MALFORMED`
   */
  async revoke(
    order: RevocationOrder,
  ): Promise<{ readonly record: RevocationRecord; readonly seq: number; readonly sessionsEnded: number }> {
    const held = order.kind === 'key' ? this.keys.get(order.value) : undefined
    if (order.kind === 'key' && held === undefined) {
      throw new AuthorityError('QIP_AUTHORITY_REVOCATION_REFUSED', { reason: `no key has the thumbprint \`${order.value}\`` })
    }
    const record = await this.revocations.add(order)
    this.#parts.index.apply([record], Math.floor(this.clock.now() / 1_000))
    const sessionsEnded = await this.sessions.end((session) => this.#isSessionRevoked(session))
    if (held !== undefined && order.from === undefined) await this.#compromise(held.record.key.kid)
    const { seq } = await this.publisher.publish()
    return { record, seq, sessionsEnded }
  }

  async close(): Promise<void> {
    clearInterval(this.#timer)
    await this.#rotating.catch(() => undefined)
    await this.issuer.close()
    await this.registry.close()
    await this.publisher.close()
    await this.store.close()
  }

  async #compromise(kid: string): Promise<void> {
    const held = this.keys.get(kid)
    if (held === undefined || held.record.state === 'compromised') return
    const { use, state } = held.record
    if (use === 'qip-token' && state === 'active') {
      await this.rotateIssuingKey('compromised')
      return
    }
    await this.keys.move([{ kid, to: 'compromised' }])
    await this.#parts.lifecycle.ensure()
    await this.publisher.publishKeys()
  }

  #admits({ session, build }: TokenOrder): boolean {
    return !this.#isRevoked(session.sid, build?.bytes)
  }

  #isSessionRevoked({ sid, builds }: Session): boolean {
    return this.#isRevoked(sid, undefined) || builds.some(({ bytes }) => this.#isRevoked(sid, bytes))
  }

  // A record with `before` is about tokens from before that time; a session would draw new ones, after it.
  #isRevoked(sid: string, build: Uint8Array | undefined): boolean {
    const { index } = this.#parts
    const nowS = Math.floor(this.clock.now() / 1_000)
    return index.isIdentityRevoked(sid, nowS) || (build !== undefined && index.isBuildRevoked(build, nowS))
  }

  async #jwtSigner(): Promise<Signer> {
    const held = this.keys.find('qip-jwt', 'active')
    if (held === undefined) throw new AuthorityError('QIP_AUTHORITY_INVARIANT', { what: 'no JWT key is active' })
    return this.keys.signer(held.record.key.kid)
  }

  #maintain(keyLifeMs: number): void {
    this.#timer = setInterval(() => void this.#maintenance(keyLifeMs).catch(() => undefined), maintenanceMs)
    this.#timer.unref()
  }

  async #maintenance(keyLifeMs: number): Promise<void> {
    const { lifecycle, logs } = this.#parts
    if (this.clock.now() - lifecycle.activeSinceMs > keyLifeMs) await this.rotateIssuingKey()
    const retired = await lifecycle.retireEnded()
    for (const { record } of retired) logs.delete(record.log ?? '')
    if (retired.length > 0) await this.publisher.publishKeys()
  }
}

interface AuthorityParts {
  readonly store: Store
  readonly clock: Clock
  readonly random: Random
  readonly root: { readonly document: RootDocument; readonly text: string }
  readonly keys: KeyRing
  readonly lifecycle: KeyLifecycle
  readonly issuing: TokenLog
  readonly registry: Registry
  readonly revocations: Revocations
  readonly index: RevocationIndex
  readonly sessions: Sessions
  readonly publisher: Publisher
  /** Every log that states list, with a way to ask for its head. */
  readonly logs: Map<string, ListedHead>
}

type Grounds = Pick<AuthorityParts, 'store' | 'clock' | 'random'>

async function openParts(options: AuthorityOptions, grounds: Grounds): Promise<AuthorityParts> {
  const { store, clock, random } = grounds
  const td = options.trustDomain
  const keys = await KeyRing.open(store.sql, store.custody, clock)
  const bundleSigner = await openBundleSigner(store)
  const root = await openRoot(store, { td, nowS: Math.floor(clock.now() / 1_000), bundleKeys: [bundleSigner.publicKey] })
  const lifecycle = new KeyLifecycle({ td, store, keys, clock, jwtAlgorithm: options.jwtAlgorithm ?? 'ML-DSA-44' })
  await lifecycle.ensure()
  const issuing = await lifecycle.openIssuingLog()
  const registry = await Registry.open({ td, store, keys, clock, builders: options.builders })
  const revocations = await Revocations.open(store.sql, join(options.places.highWaterFolder, 'revocations'), clock)
  const index = new RevocationIndex()
  index.apply(revocations.list(), Math.floor(clock.now() / 1_000))
  const logs = await openLogHeads(store, keys, { issuing, registry })
  const publisher = await Publisher.open({
    td,
    sql: store.sql,
    keys,
    revocations,
    clock,
    bundleSigner,
    rootSequence: root.document.sequence,
    logs: (listed) => new Map([...logs].map(([origin, head]) => [origin, head(listed)])),
    ...(options.headIntervalMs !== undefined && { headIntervalMs: options.headIntervalMs }),
    ...(options.heartbeatMs !== undefined && { heartbeatMs: options.heartbeatMs }),
  })
  const sessions = await Sessions.open(store.sql, clock, random)
  return { ...grounds, root, keys, lifecycle, issuing, registry, revocations, index, sessions, publisher, logs }
}

async function openBundleSigner({ sql, custody }: Store): Promise<Signer> {
  const kid = await readMeta(sql, 'bundle-key')
  if (kid !== undefined) return custody.open(kid)
  const signer = await custody.create('ML-DSA-65')
  await sql.transact([writeMetaStatement('bundle-key', signer.publicKey.kid)])
  return signer
}

async function openRoot(
  { sql, folder }: Store,
  founding: Parameters<typeof createRoot>[1],
): Promise<AuthorityParts['root']> {
  const [row] = await sql.query("SELECT envelope FROM documents WHERE kind = 'root' ORDER BY sequence DESC LIMIT 1")
  let text = row?.['envelope'] as string | undefined
  if (text === undefined) {
    text = await createRoot(join(folder, 'root'), founding)
    await sql.transact([
      { sql: "INSERT INTO documents (kind, sequence, envelope) VALUES ('root', 1, ?)", params: [text] },
    ])
  }
  return { document: parseRootDocument(parseEnvelope(text).payload), text }
}

/**
 * The heads of all logs that states list: the ones that are written, and those of retiring keys as they were left. A log that
 * is behind its mark is not listed: to verifiers it would go backwards.
 */
async function openLogHeads(
  store: Store,
  keys: KeyRing,
  open: { readonly issuing: TokenLog; readonly registry: Registry },
): Promise<Map<string, ListedHead>> {
  const logs = new Map<string, ListedHead>()
  for (const { record } of keys.list()) {
    if (record.use !== 'qip-token' || record.state !== 'retiring' || record.log === undefined) continue
    const { size, root } = await sqlLogStorage(store.sql, record.log).head()
    const head = { size, hash: root }
    if (size >= (store.highWater.mark(record.log)?.size ?? 0)) logs.set(record.log, () => head)
  }
  logs.set(open.issuing.origin, listedHead(open.issuing))
  logs.set(open.registry.origin, () => open.registry.head())
  return logs
}

/** The head of a log as states may show it, given the token logs as far as their heads were listed. */
type ListedHead = (listed: ReadonlyMap<string, LogHead>) => LogHead

/** A token log as far as its heads were listed; as it was opened, until one is. */
function listedHead({ origin, log }: TokenLog): ListedHead {
  const { size, root } = log.head()
  const opened = { size, hash: root }
  return (listed) => listed.get(origin) ?? opened
}

