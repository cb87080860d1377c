import { join } from 'node:path'
import { systemClock } from '@quantum-ip/base'
import {
  attestationSource,
  headSource,
  openSecurityReports,
  openTransport,
  openTrustFollower,
  referenceSource,
  type SecurityReports,
  type Session,
  type TrustFollower,
} from '@quantum-ip/client'
import { Alertness, type RolledOutPolicies, verifierGauges, watchPropagation } from '@quantum-ip/point/member'
import { type CompiledPolicy } from '@quantum-ip/policy'
import {
  type DecisionLog,
  enforcementMetrics,
  Metrics,
  policyObserver,
  verifierObserver,
} from '@quantum-ip/telemetry'
import { TrustStore } from '@quantum-ip/trust'
import {
  allocateReplayMemory,
  createVerifier,
  ReplayFilter,
  type Verifier,
  type VerifierOptions,
} from '@quantum-ip/verifier'
import { type MemberParts, openDecisions, openDeferred, openPolicies } from './lib/member-parts.ts'
import { openMemberSession } from './lib/member-session.ts'
import { checkOpenOptions, type OpenQuantumIpOptions } from './open-options.ts'
import { compiledPolicy } from './create-quantum-ip.ts'
import { assembleQuantumIp, type QuantumIp } from './quantum-ip.ts'

/** {@link QuantumIp} with everything that it opened. */
export interface OpenedQuantumIp extends QuantumIp, AsyncDisposable {
  readonly verifier: Verifier
  readonly follower: TrustFollower
  readonly session: Session
  /** For `formatMetrics` of `@quantum-ip/telemetry`; its gauges are set every few seconds, and by {@link refresh}. */
  readonly metrics: Metrics
  readonly log: DecisionLog
  /** Decision records that the authority has, and that it refused, since the start. */
  uploaded(): { readonly sent: number; readonly refused: number }
  /** Sets the gauges to what is true now: age of the trust state, epoch, caches, deferred checks. */
  refresh(): void
}

const refreshMs = 5_000

/**
 * Opens verification inside a service: joins the trust domain as a member of the fleet, follows its signed state and its policy, verifies,
 * decides, keeps records, counts.
 *
 * As for a gateway, a rotation of keys waits until this member has acknowledged the new key and verified a probe under it.
 *
 * Resolves when the trust is up to date, or the first attempt failed: until the authority answers, or the snapshot of an earlier start is
 * there, requests are refused with 503.
 *
 * @throws {TypeError} without a session and without a join token, and for an option that does not exist.
 * @throws {ClientError} where the authority does not admit this service.
 */
export async function openQuantumIp(options: OpenQuantumIpOptions): Promise<OpenedQuantumIp> {
  checkOpenOptions(options)
  await using opened = new AsyncDisposableStack()
  const { authority, folder, joinToken, point } = options
  const transport = opened.use(openTransport(authority))
  const session = opened.use(await openMemberSession({ transport, folder, joinToken }))
  const policy = compiledPolicy(options.policy)
  const metrics = metricsOf(options, policy)
  const alertness = new Alertness(options.incidentSampling ?? 0)
  const parts: MemberParts = { options, session, metrics, alertness }
  const store = storeOf(options)
  opened.defer(watchPropagation(metrics, store))
  const reports = opened.use(openSecurityReports(session, { point }))
  const verifier = verifierOf(parts, store, reports)
  opened.defer(() => verifier.close())
  let policies: RolledOutPolicies | undefined
  const held = () => policies?.held() ?? {}
  const follower = opened.use(await followerOf(parts, { store, verifier, held }))
  policies = opened.use(await openPolicies(parts, { store, follower, policy }))
  const kept = opened.use(await openDecisions(parts))
  const deferred = opened.use(openDeferred(parts, { verifier, reports }))
  const { clockToleranceS } = options
  const watching = policies
  const quantumIp = assembleQuantumIp({
    policyObserver: policyObserver({ metrics, point }),
    ...options,
    policy,
    verifier,
    decisions: kept.log,
    deferred: (request) => deferred.add(request),
    incident: () => alertness.incident,
    watch: (...decided) => watching.watch(...decided),
    cut: { trust: store, verifier, ...(clockToleranceS !== undefined && { clockToleranceS }) },
  })
  opened.use(quantumIp)
  follow(options, policies, quantumIp)
  const setGauges = verifierGauges(metrics, { verifier, follower, store })
  const refresh = (): void => {
    setGauges()
    metrics.gauge('deferred_backlog').set(0, deferred.backlog)
  }
  refresh()
  const refreshing = setInterval(refresh, refreshMs).unref()
  opened.defer(() => clearInterval(refreshing))
  const closing = opened.move()
  return Object.assign(quantumIp, {
    verifier,
    follower,
    session,
    metrics,
    log: kept.log,
    uploaded: () => kept.uploaded(),
    refresh,
    [Symbol.asyncDispose]: () => closing.disposeAsync(),
  })
}

function follow(
  { rolledOutPolicy: name }: OpenQuantumIpOptions,
  policies: RolledOutPolicies,
  quantumIp: QuantumIp,
): void {
  if (name === undefined) return
  policies.use((active, candidates) => {
    const next = active.get(name)
    if (next !== undefined) quantumIp.usePolicy(next, candidates.get(name))
  })
}

function storeOf({ authority }: OpenQuantumIpOptions): TrustStore {
  const { trustDomain: td, rootThumbprints, rootThreshold: threshold = 1 } = authority
  return new TrustStore({ td, pins: { thumbprints: [...rootThumbprints], threshold } })
}

function followerOf(
  { options, session, alertness }: MemberParts,
  following: {
    readonly store: TrustStore
    readonly verifier: Verifier
    readonly held: () => ReturnType<RolledOutPolicies['held']>
  },
): Promise<TrustFollower> {
  const { point, folder, region, onFollower } = options
  const { store, verifier, held } = following
  return openTrustFollower({
    session,
    store,
    point,
    held,
    snapshotFile: join(folder, 'trust.snapshot'),
    verifyProbe: async (probe) => (await verifier.verify({ ...probe, tokenCount: 1 })).reason,
    onSampling: (raised) => alertness.take(raised),
    ...(region !== undefined && { region }),
    ...(onFollower !== undefined && { onEvent: onFollower }),
  })
}

function metricsOf(
  { service, point, region, rolledOutPolicy }: OpenQuantumIpOptions,
  policy: CompiledPolicy,
): Metrics {
  return new Metrics({
    metrics: enforcementMetrics,
    sets: {
      service: [service],
      enforcement_point: [point],
      region: region ?? null,
      policy: [rolledOutPolicy ?? policy.identity.name],
    },
  })
}

function verifierOf(
  { options, session, metrics, alertness }: MemberParts,
  trust: TrustStore,
  reports: SecurityReports,
): Verifier {
  const { verification = {}, replayBytes = 16_777_216, point, clockToleranceS } = options
  const memory = () => allocateReplayMemory({ bytes: replayBytes, startedMs: systemClock.now() })
  const defaults: Omit<VerifierOptions, 'trust'> = {
    clock: systemClock,
    stopwatch: () => performance.now(),
    heads: { source: headSource(session) },
    attestations: { source: attestationSource(session), leastShare: () => alertness.share },
    references: { source: referenceSource(session) },
    ...(clockToleranceS !== undefined && { clockToleranceS }),
  }
  return createVerifier({
    ...defaults,
    ...verification,
    replay: verification.replay ?? new ReplayFilter(memory()),
    trust,
    observer: verifierObserver(
      { metrics, point },
      (event) => reports.event(event),
      (td, key) => reports.unknownKey(td, key),
    ),
  })
}
