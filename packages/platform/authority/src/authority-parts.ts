import type { Clock, Random } from '@quantum-ip/base'
import { RevocationIndex } from '@quantum-ip/trust'
import { type Session, Sessions } from './admission/sessions.ts'
import type { AuthorityOptions } from './authority-options.ts'
import { countedCustody } from './detection/counted-custody.ts'
import { type Detection, openDetection } from './detection/detection.ts'
import { Policies } from './policies/policies.ts'
import { openRecordKey } from './records/record-key.ts'
import { IssuanceRecords } from './records/issuance-records.ts'
import type { TokenLog } from './issuance/token-log.ts'
import { Fleet } from './fleet.ts'
import { KeyFollower } from './keys/key-follower.ts'
import { KeyRing } from './keys/key-ring.ts'
import { KeyLifecycle } from './keys/lifecycle.ts'
import { RootChain } from './keys/root-chain.ts'
import type { Cosign } from './ledger/cosign.ts'
import { openCosigners } from './ledger/ledger-beyond.ts'
import { Registry } from './ledger/registry.ts'
import { foreignLogs, headsOf, type ListedHead, listLogs } from './state/listed-logs.ts'
import { Publisher } from './state/publisher.ts'
import { lastStateMs } from './state/state-position.ts'
import { Revocations } from './state/revocations.ts'
import type { Store } from './store/open-store.ts'

/** All that an authority is put together from. */
export interface AuthorityParts {
  readonly store: Store
  readonly clock: Clock
  readonly random: Random
  readonly root: RootChain
  readonly keys: KeyRing
  readonly lifecycle: KeyLifecycle
  readonly issuing: TokenLog
  readonly registry: Registry
  /** Has checkpoints cosigned, where there are witnesses. */
  readonly cosign: Cosign | undefined
  readonly revocations: Revocations
  readonly index: RevocationIndex
  readonly sessions: Sessions
  readonly fleet: Fleet
  readonly publisher: Publisher
  readonly policies: Policies
  /** Keeps the keys in line with what other instances change. */
  readonly follower: KeyFollower
  readonly detection: Detection
  readonly records: IssuanceRecords | undefined
  /** Every log that states list, with a way to ask for its head. */
  readonly logs: Map<string, ListedHead>
}

/** What is there before anything is opened. */
export type Grounds = Pick<AuthorityParts, 'store' | 'clock' | 'random'>

const weekS = 7 * 24 * 3_600

/** Opens the parts of an authority, in the order in which they need each other. */
export async function openParts(options: AuthorityOptions, grounds: Grounds): Promise<AuthorityParts> {
  const { clock, random } = grounds
  const detection = openDetection({ sql: grounds.store.sql, clock }, options.detection ?? {}, options)
  // Before anything is signed: every use of a key is counted.
  const store = counted(grounds.store, detection)
  const td = options.trustDomain
  const { sql, custody } = store
  const keys = await KeyRing.open({ sql, custody, clock, instance: options.leads })
  const revocations = await Revocations.open(store.sql, store.revocations, clock)
  const index = new RevocationIndex()
  index.apply(revocations.list(), Math.floor(clock.now() / 1_000))
  const root = await RootChain.open({ td, store, clock })
  detection.uses.knowUses((kid) => useOf(keys, root, kid))
  const lifecycle = new KeyLifecycle({
    td,
    store,
    keys,
    clock,
    jwtAlgorithm: options.jwtAlgorithm ?? 'ML-DSA-44',
    hybrid: options.hybrid ?? false,
    isRevoked: (kid) => index.isKeyRevoked(kid),
  })
  await lifecycle.ensure()
  const issuing = await lifecycle.openIssuingLog()
  const cosigners = openCosigners(options.ledger, (event, detail) => options.onEvent?.(event, detail))
  const cosign: Cosign | undefined = cosigners && ((note, log) => cosigners.cosign(note, log))
  const { builders, onVerified } = options
  const registry = await Registry.open({ td, store, keys, clock, builders, cosign, onVerified })
  const sessions = await Sessions.open(store.sql, clock, random)
  // A crash or a restored backup may have left sessions of what was revoked.
  await sessions.end((session) => isSessionRevoked({ index, clock }, session))
  if (options.leads !== undefined) sessions.share((session) => isSessionRevoked({ index, clock }, session))
  await lifecycle.ensureStandbys()
  const policies = await Policies.open({ td, sql: store.sql, keys, clock })
  const fleet = await Fleet.open(store.sql, clock, await lastStateMs(store.sql))
  const logs = listLogs(store, keys, { issuing, registry })
  const follower = new KeyFollower(store.sql, keys)
  // Last: from here on something goes on by itself.
  const publisher = await Publisher.open({
    td,
    sql: store.sql,
    keys,
    revocations,
    clock,
    root: () => root.current,
    policies: () => policies.stated(),
    lifetimeS: options.bundleTtlS ?? weekS,
    shared: options.leads === undefined ? undefined : async () => void (await follower.refresh()),
    logs: (listed) => headsOf(logs, foreignLogs(store, keys, listed), listed),
    ...(options.headIntervalMs !== undefined && { headIntervalMs: options.headIntervalMs }),
    ...(options.heartbeatMs !== undefined && { heartbeatMs: options.heartbeatMs }),
  })
  return {
    ...grounds,
    store,
    detection,
    records: await openRecords(options, { sql: store.sql, clock }),
    root,
    keys,
    lifecycle,
    issuing,
    registry,
    cosign,
    revocations,
    index,
    sessions,
    fleet,
    publisher,
    policies,
    logs,
    follower,
  }
}

/** What a question about revocation is answered from. */
export type Revoked = Pick<AuthorityParts, 'index' | 'clock'>

/**
 * Whether a service or its build may not get tokens any more. A record with `before` is about tokens from before that time; a
 * session would draw new ones, after it.
 */
export function isRevoked({ index, clock }: Revoked, sid: string, build: Uint8Array | undefined): boolean {
  const nowS = Math.floor(clock.now() / 1_000)
  return index.isIdentityRevoked(sid, nowS) || (build !== undefined && index.isBuildRevoked(build, nowS))
}

/** Whether a session is to be ended: its service or one of its builds is revoked. */
export function isSessionRevoked(revoked: Revoked, { sid, builds }: Session): boolean {
  return isRevoked(revoked, sid, undefined) || builds.some(({ bytes }) => isRevoked(revoked, sid, bytes))
}

const monthMs = 30 * 24 * 3_600_000

/** Records are sealed to a key that is drawn at the first start; `undefined` where none are to be kept. */
export async function openRecords(
  { places, keepIssuanceMs: keepMs = monthMs }: AuthorityOptions,
  { sql, clock }: { readonly sql: Store['sql']; readonly clock: Clock },
): Promise<IssuanceRecords | undefined> {
  if (keepMs === 0) return undefined
  const key = await openRecordKey(sql, `${places.custodyFolder}.records.jwk`)
  return new IssuanceRecords({ sql, clock, key, keepMs })
}

function counted(store: Store, { uses }: Detection): Store {
  return { ...store, custody: countedCustody(store.custody, uses) }
}

function useOf(keys: KeyRing, { bundleKeys, current: { document } }: RootChain, kid: string): string {
  if (bundleKeys.some((key) => key.kid === kid)) return 'bundle'
  if (document.roots.some((key) => key.kid === kid)) return 'root'
  return keys.withCompanion(kid)?.record.use ?? 'other'
}
