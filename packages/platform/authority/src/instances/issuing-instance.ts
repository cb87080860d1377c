import { type Clock, type Random, type TrustDomain } from '@quantum-ip/base'
import { parseEnvelope } from '@quantum-ip/crypto'
import { parseRootDocument, RevocationIndex, type RootDocument } from '@quantum-ip/trust'
import { Sessions } from '../admission/sessions.ts'
import type { AuthorityOptions } from '../authority-options.ts'
import { isRevoked, isSessionRevoked, openRecords } from '../authority-parts.ts'
import type { IssuanceRecords } from '../records/issuance-records.ts'
import { Fleet } from '../fleet.ts'
import type { ExchangeOptions } from '../issuance/exchange.ts'
import { batchSettingsOf, issuanceRulesOf } from '../issuance/issuance-settings.ts'
import { Issuer } from '../issuance/issuer.ts'
import { References } from '../issuance/references.ts'
import { closeLog, type TokenLog } from '../issuance/token-log.ts'
import type { IssuanceRules } from '../issuance/token-order.ts'
import { KeyFollower } from '../keys/key-follower.ts'
import { issueProbe } from '../keys/issue-probe.ts'
import { type HeldKey, KeyRing } from '../keys/key-ring.ts'
import { KeyLifecycle } from '../keys/lifecycle.ts'
import { gatePolicyDefault } from '../keys/rotation-gate.ts'
import { Rotations } from '../keys/rotations.ts'
import type { Store } from '../store/open-store.ts'
import { presentStatement } from './absent-instances.ts'
import type { PublicationFollower } from './publication-follower.ts'
import type { RevocationView } from './revocation-view.ts'

/** What an issuing instance is opened with. */
export interface IssuingInstanceOptions {
  readonly name: string
  readonly store: Store
  readonly clock: Clock
  readonly random: Random
  readonly revocations: RevocationView
  readonly publisher: PublicationFollower
  readonly authority: AuthorityOptions
}

const keyLifeDefaultMs = 24 * 3_600_000
const ownUses = ['qip-token'] as const

/**
 * The part of an authority that every instance has: it issues on its own token log with its own key, and passes on what the leader
 * publishes. It needs the store, and the leader only when a key of its own is new.
 */
export class IssuingInstance {
  readonly trustDomain: TrustDomain
  readonly clock: Clock
  readonly store: Store
  readonly keys: KeyRing
  readonly publisher: PublicationFollower
  readonly revocations: RevocationView
  readonly sessions: Sessions
  readonly issuer: Issuer
  readonly references: References
  readonly exchange: ExchangeOptions
  readonly issuanceRules: IssuanceRules
  readonly #options: AuthorityOptions
  readonly #name: string
  readonly #index: RevocationIndex
  readonly #lifecycle: KeyLifecycle
  readonly #rotations: Rotations
  readonly #follower: KeyFollower
  #root: { readonly document: RootDocument; readonly text: string }
  #appliedEpoch = 0
  /** Changes of keys, one after the other. */
  #changing: Promise<unknown> = Promise.resolve()

  private constructor(options: IssuingInstanceOptions, parts: OpenedParts) {
    const { store, clock, random, publisher, authority } = options
    this.#options = authority
    this.#name = options.name
    this.trustDomain = authority.trustDomain
    this.clock = clock
    this.store = store
    this.publisher = publisher
    this.revocations = options.revocations
    this.keys = parts.keys
    this.sessions = parts.sessions
    this.#index = parts.index
    this.#lifecycle = parts.lifecycle
    this.#root = parts.root
    this.#follower = new KeyFollower(store.sql, parts.keys)
    this.references = new References(store.sql, clock, random)
    const { references } = this
    this.exchange = { sql: store.sql, keys: parts.keys, references, revocations: parts.index, clock }
    this.issuanceRules = issuanceRulesOf(authority)
    this.#rotations = this.#createRotations(random)
    this.issuer = this.#createIssuer(parts, random)
  }

  /** Makes the keys of the instance where it has none, and resolves once they are published. */
  static async open(options: IssuingInstanceOptions): Promise<IssuingInstance> {
    const { name, store, clock, random, revocations, publisher, authority } = options
    const keys = await KeyRing.open({ sql: store.sql, custody: store.custody, clock, instance: name })
    const index = new RevocationIndex()
    index.apply(revocations.list(), Math.floor(clock.now() / 1_000))
    const lifecycle = new KeyLifecycle({
      td: authority.trustDomain,
      store,
      keys,
      clock,
      jwtAlgorithm: authority.jwtAlgorithm ?? 'ML-DSA-44',
      hybrid: authority.hybrid ?? false,
      isRevoked: (kid) => index.isKeyRevoked(kid),
      uses: ownUses,
    })
    await lifecycle.ensure()
    const issuing = await lifecycle.openIssuingLog()
    await publisher.whenListed(issuing.kid)
    const sessions = await Sessions.open(store.sql, clock, random)
    sessions.share((session) => isSessionRevoked({ index, clock }, session))
    const root = await readRoot(store)
    const records = await openRecords(authority, { sql: store.sql, clock })
    const opened = new IssuingInstance(options, { keys, index, lifecycle, issuing, sessions, root, records })
    opened.#appliedEpoch = revocations.epoch
    return opened
  }

  /** The root document in force. */
  get root(): RootDocument {
    return this.#root.document
  }

  /** The signed root document, DSSE as JSON. */
  get rootText(): string {
    return this.#root.text
  }

  /** Brings all that is in memory in line with the store. To be called several times a second. */
  async follow(): Promise<void> {
    await this.revocations.refresh()
    await this.#applyRevocations()
    const before = this.publisher.bundle.rootSequence
    await this.publisher.poll()
    if (this.publisher.bundle.rootSequence !== before) this.#root = await readRoot(this.store)
    await this.#raiseMarks()
    if (await this.#follower.refresh()) await this.#inTurn(() => this.#followKeys())
    if (this.#rotations.mayWait) await this.#inTurn(() => this.#rotations.advance())
  }

  /** What time demands of the issuing keys. */
  async maintain(): Promise<void> {
    await this.store.sql.transact([presentStatement(this.#name)])
    await this.#inTurn(async () => {
      // It was away for so long that its keys were taken for abandoned.
      if (this.keys.find('qip-token', 'active') === undefined) await this.#lifecycle.ensure()
      await this.#lifecycle.compromiseRevoked()
      await this.#lifecycle.retireEnded(this.issuer.log.kid)
      const { changedMs } = this.#lifecycle.active('qip-token')
      const lifeMs = this.#options.keyLifeMs?.['qip-token'] ?? keyLifeDefaultMs
      if (this.clock.now() - changedMs > lifeMs) {
        await this.#rotations.start({ use: 'qip-token', cause: 'scheduled', askedBy: this.#name })
      }
      await this.#rotations.advance()
      await this.#followKeys()
    })
  }

  async close(): Promise<void> {
    await this.issuer.close()
    await this.#changing.catch(() => undefined)
  }

  async #applyRevocations(): Promise<void> {
    const records = this.revocations.since(this.#appliedEpoch)
    if (records.length === 0) return
    this.#index.apply(records, Math.floor(this.clock.now() / 1_000))
    this.#appliedEpoch += records.length
    await this.sessions.end((session) => isSessionRevoked({ index: this.#index, clock: this.clock }, session))
    await this.#inTurn(async () => (await this.#lifecycle.compromiseRevoked()) && this.#followKeys())
  }

  /**
   * The marks of the logs of others, as far as a state showed them: should this instance lead one day over a store that has lost
   * commits, it knows what verifiers have seen. Its own are raised before it signs.
   */
  async #raiseMarks(): Promise<void> {
    const { highWater } = this.store
    const own = new Set(
      this.keys
        .list()
        .filter(({ record, instance }) => record.use === 'qip-token' && isNameOf(this.#name, instance))
        .map(({ record }) => record.log),
    )
    const known = new Map(highWater.marks().map(({ origin, size }) => [origin, size]))
    const higher = [...this.publisher.state.logs].filter(
      ([origin, { size }]) => !own.has(origin) && size > (known.get(origin) ?? 0),
    )
    await Promise.all(higher.map(([origin, { size, hash }]) => highWater.raise({ origin, size, hash })))
  }

  /** Issues with the active key, once verifiers can know it. */
  async #followKeys(): Promise<void> {
    if (this.#lifecycle.activeKid === this.issuer.log.kid) return
    const log = await this.#lifecycle.openIssuingLog()
    await this.publisher.whenListed(log.kid)
    await this.issuer.use(log)
  }

  #replaceLost({ kid, origin }: TokenLog): Promise<void> {
    return this.#inTurn(async () => {
      if (this.issuer.log.kid !== kid) return
      if (this.#lifecycle.activeKid === kid) {
        await closeLog(this.store, origin)
        await this.#lifecycle.replaceLost()
      }
      await this.#followKeys()
    })
  }

  #inTurn<Result>(change: () => Promise<Result>): Promise<Result> {
    const changed = this.#changing.catch(() => undefined).then(change)
    this.#changing = changed
    return changed
  }

  #createRotations(random: Random): Rotations {
    const { store, keys, clock } = this
    return new Rotations({
      sql: store.sql,
      keys,
      lifecycle: this.#lifecycle,
      fleet: Fleet.view(store.sql, clock),
      clock,
      policy: { ...gatePolicyDefault, ...this.#options.rotation },
      uses: ownUses,
      issueProbe: (rotation) =>
        issueProbe(
          {
            td: this.trustDomain,
            clock,
            random,
            publisher: this.publisher,
            highWater: store.highWater,
            issuer: this.issuer,
            openLog: (kid) => this.#lifecycle.openLogOf(keys.get(kid) as HeldKey),
          },
          rotation,
        ),
      publishKeys: async () => {
        await this.publisher.whenListed(this.#lifecycle.activeKid)
        return this.publisher.bundle.sequence
      },
      follow: () => this.#followKeys(),
      onEvent: (event, detail) => this.#options.onEvent?.(event, detail),
    })
  }

  #createIssuer({ issuing, records }: OpenedParts, random: Random): Issuer {
    const options = this.#options
    return new Issuer(issuing, {
      clock: this.clock,
      random,
      publisher: this.publisher,
      highWater: this.store.highWater,
      records,
      jwtSigner: () => this.keys.activeSigner('qip-jwt'),
      admits: ({ session, build }) =>
        !isRevoked({ index: this.#index, clock: this.clock }, session.sid, build?.bytes),
      refer: (tokens, keyId) => this.references.refer(tokens, keyId),
      onLogLost: (log) => {
        options.onEvent?.('log_lost', { origin: log.origin })
        void this.#replaceLost(log).catch(() => undefined)
      },
      ...batchSettingsOf(options),
    })
  }
}

/** The name under which the leading part of an instance issues, where somebody asks the leader itself for tokens. */
export function leaderName(name: string): string {
  return `${name}:leader`
}

function isNameOf(name: string, instance: string): boolean {
  return instance === name || instance === leaderName(name)
}

interface OpenedParts {
  readonly keys: KeyRing
  readonly index: RevocationIndex
  readonly lifecycle: KeyLifecycle
  readonly issuing: TokenLog
  readonly sessions: Sessions
  readonly root: { readonly document: RootDocument; readonly text: string }
  readonly records: IssuanceRecords | undefined
}

async function readRoot({ sql }: Store): Promise<OpenedParts['root']> {
  const [row] = await sql.query(
    "SELECT envelope FROM documents WHERE kind = 'root' ORDER BY sequence DESC LIMIT 1",
  )
  const text = row?.['envelope'] as string
  return { document: parseRootDocument(parseEnvelope(text).payload), text }
}
