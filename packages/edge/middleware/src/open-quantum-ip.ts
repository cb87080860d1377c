import { join } from 'node:path'
import { systemClock, systemRandom } from '@quantum-ip/base'
import {
  attestationSource,
  headSource,
  type FollowerEvent,
  openSecurityReports,
  openTransport,
  openTrustFollower,
  referenceSource,
  type Session,
  type TransportOptions,
  type TrustFollower,
} from '@quantum-ip/client'
import {
  DecisionLog,
  decisionLogObserver,
  type DecisionSink,
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
import { openMemberSession } from './lib/member-session.ts'
import { compiledPolicy, createQuantumIp, type QuantumIp, type QuantumIpOptions } from './quantum-ip.ts'

/** What {@link openQuantumIp} is told. */
export interface OpenQuantumIpOptions extends Omit<QuantumIpOptions, 'verifier' | 'decisions' | 'clock'> {
  /** The name of this enforcement point, one of its own for each process: `shop-1`. */
  readonly point: string
  readonly authority: TransportOptions & {
    /** What the trust domain is called: `spiffe://acme.example`. */
    readonly trustDomain: string
    /** Thumbprints of its root keys, out of `/.well-known/quantum-ip` or, better, from whoever keeps them. */
    readonly rootThumbprints: readonly string[]
    /** How many of them must have signed. Default 1. */
    readonly rootThreshold?: number
  }
  /** Keeps session and trust over restarts; made with mode 0700. Each process has its own. */
  readonly folder: string
  /** For the first start. */
  readonly joinToken?: string | undefined
  /** Gets the records of decisions. Must not block. Default: they are counted, and kept in memory for explanations only. */
  readonly decisions?: DecisionSink
  /** Share of verified and allowed requests that are recorded. Default 0.01. */
  readonly sampleRatio?: number
  /** Memory for one-time tokens. Default 16 MB, which is some 500,000 of them. */
  readonly replayBytes?: number
  /** What else the verifier is to know; a shared replay guard, say. */
  readonly verification?: Partial<Omit<VerifierOptions, 'trust' | 'observer' | 'clock'>>
  readonly onFollower?: (event: FollowerEvent) => void
}

/** {@link QuantumIp} with everything that it opened. */
export interface OpenedQuantumIp extends QuantumIp, AsyncDisposable {
  readonly verifier: Verifier
  readonly follower: TrustFollower
  readonly session: Session
  /** For `formatMetrics` of `@quantum-ip/telemetry`. */
  readonly metrics: Metrics
  readonly log: DecisionLog
}

const flushMs = 1_000

/**
 * Opens verification inside a service: joins the trust domain, follows its signed state, verifies, decides, counts.
 *
 * Resolves when the trust is up to date, or the first attempt failed: until the authority answers, or the snapshot of an earlier start is
 * there, requests are refused with 503.
 *
 * @throws {TypeError} without a session and without a join token.
 * @throws {ClientError} where the authority does not admit this service.
 */
export async function openQuantumIp(options: OpenQuantumIpOptions): Promise<OpenedQuantumIp> {
  await using opened = new AsyncDisposableStack()
  const { authority, folder, joinToken, point } = options
  const transport = opened.use(openTransport(authority))
  const session = opened.use(await openMemberSession({ transport, folder, joinToken }))
  const policy = compiledPolicy(options.policy)
  const metrics = metricsOf(options, policy.identity.name)
  const store = new TrustStore({
    td: authority.trustDomain,
    pins: { thumbprints: [...authority.rootThumbprints], threshold: authority.rootThreshold ?? 1 },
  })
  const reports = opened.use(openSecurityReports(session, { point }))
  const verifier = createVerifier({
    ...verification(options, session),
    trust: store,
    observer: verifierObserver(
      { metrics, point },
      (event) => reports.event(event),
      (td, key) => reports.unknownKey(td, key),
    ),
  })
  opened.defer(() => verifier.close())
  const follower = opened.use(
    await openTrustFollower({
      session,
      store,
      point,
      snapshotFile: join(folder, 'trust.snapshot'),
      verifyProbe: async (probe) => (await verifier.verify({ ...probe, tokenCount: 1 })).reason,
      ...(options.region !== undefined && { region: options.region }),
      ...(options.onFollower !== undefined && { onEvent: options.onFollower }),
    }),
  )
  const log = decisionLogOf(options, metrics)
  const flushing = setInterval(() => log.flush(), flushMs).unref()
  opened.defer(() => {
    clearInterval(flushing)
    log.flush()
  })
  const quantumIp = createQuantumIp({
    policyObserver: policyObserver({ metrics, point }),
    cut: { trust: store, verifier },
    ...options,
    policy,
    verifier,
    decisions: log,
  })
  opened.use(quantumIp)
  const closing = opened.move()
  return Object.assign(quantumIp, {
    verifier,
    follower,
    session,
    metrics,
    log,
    [Symbol.asyncDispose]: () => closing.disposeAsync(),
  })
}

function metricsOf({ service, point, region }: OpenQuantumIpOptions, policy: string): Metrics {
  return new Metrics({
    metrics: enforcementMetrics,
    sets: { service: [service], enforcement_point: [point], region: region ?? null, policy: [policy] },
  })
}

function verification(
  { verification = {}, replayBytes = 16_777_216 }: OpenQuantumIpOptions,
  session: Session,
): Omit<VerifierOptions, 'trust'> {
  const memory = () => allocateReplayMemory({ bytes: replayBytes, startedMs: systemClock.now() })
  return {
    clock: systemClock,
    stopwatch: () => performance.now(),
    heads: { source: headSource(session) },
    attestations: { source: attestationSource(session) },
    references: { source: referenceSource(session) },
    ...verification,
    replay: verification.replay ?? new ReplayFilter(memory()),
  }
}

function decisionLogOf(
  { point, decisions, sampleRatio }: OpenQuantumIpOptions,
  metrics: Metrics,
): DecisionLog {
  return new DecisionLog({
    point,
    clock: systemClock,
    random: systemRandom,
    sink: decisions ?? { write: () => undefined },
    observer: decisionLogObserver({ metrics, point }),
    ...(sampleRatio !== undefined && { sampleRatio }),
  })
}
