import { join } from 'node:path'
import type { JsonObject } from '@quantum-ip/base'
import { systemClock } from '@quantum-ip/base'
import {
  openSecurityReports,
  openTrustFollower,
  type Session,
  type TrustFollower,
  type TrustFollowerOptions,
} from '@quantum-ip/client'
import {
  type GatewayOptions,
  type GatewayRoute,
  type ListenerOptions,
  type ListenerTls,
} from '@quantum-ip/enforce'
import { type Config, createListenerTls, type GatewayTlsConfig, type RouteConfig } from '@quantum-ip/http'
import type { DeferredChecks } from '@quantum-ip/point'
import { type CompiledPolicy } from '@quantum-ip/policy'
import { type DecisionLog, type Metrics, policyObserver, type TelemetryBatch } from '@quantum-ip/telemetry'
import { type RootPins, TrustStore } from '@quantum-ip/trust'
import { readText } from '../lib/files.ts'
import { Alertness, deepModeOf, openDeferredPart, samplingRatio } from './deep-checks.ts'
import { type DecisionPart, openDecisionPart } from './decision-part.ts'
import { type FlowPart, openFlowPart } from './flow-part.ts'
import { openEnginesPart } from './engines-part.ts'
import { tellFollower } from './follower-text.ts'
import { openLoadPart } from './load-part.ts'
import { openMirrorLinks } from './mirror-links.ts'
import type { Verifier } from '@quantum-ip/verifier'
import { openVerifier } from './gateway-verifier.ts'
import { PolicyPart } from './policy-part.ts'
import { probeOptions } from './probe-options.ts'
import { openPointServer, type PointRole, type PointServer } from './point-role.ts'
import { openOutboxPart } from './outbox-part.ts'
import { openReplayPart, type ReplayPart } from './replay-part.ts'

/** What a gateway is opened with, besides its configuration. */
export interface GatewayPartOptions {
  /** Which point it is; `config` is that of the point. */
  readonly role: PointRole
  readonly config: Config
  /** A session of the role `verifier`. */
  readonly session: Session
  readonly pins: RootPins
  readonly metrics: Metrics
  /** Shared by all threads of this gateway. */
  readonly replayMemory: SharedArrayBuffer
  /** Shared by all threads of this gateway: what limits count in. */
  readonly loadMemory: SharedArrayBuffer
  readonly policies: ReadonlyMap<string, CompiledPolicy>
  /** Which thread this is; 0 for the first or only one. */
  readonly thread: number
  /** Whether other threads listen on the same port. */
  readonly sharesPort: boolean
  /** Whether the authority's clock is this process's own: then its first state sets the floors of the replay filter. */
  readonly ownAuthority: boolean
  readonly onEvent: (text: string) => void
  /** Takes spans and records that are to be sent to a Collector. */
  readonly onTelemetry: (batch: TelemetryBatch) => void
  /** Hears of each request that goes on; in one thread only. */
  readonly onward?: GatewayOptions['onward']
}

/** A running gateway with its verifier and its records. */
export interface GatewayPart {
  readonly gateway: PointServer
  readonly verifier: Verifier
  readonly follower: TrustFollower
  readonly decisions: DecisionLog
  readonly recording: DecisionPart
  readonly replay: ReplayPart
  readonly deferred: DeferredChecks
  readonly policies: PolicyPart
  /** Sets the gauges to what is true now. */
  refresh(): void
  close(): Promise<void>
}

/** Opens the gateway of a configuration: follows the trust state, loads the policies, listens. */
export async function openGatewayPart(options: GatewayPartOptions): Promise<GatewayPart> {
  // What was opened before something fails is closed again: a follower would go on acknowledging for a point that is not there.
  await using opened = new AsyncDisposableStack()
  const part = await openWith(options, opened)
  const closing = opened.move()
  return { ...part, close: () => closing.disposeAsync() }
}

async function openWith(
  options: GatewayPartOptions,
  opened: AsyncDisposableStack,
): Promise<Omit<GatewayPart, 'close'>> {
  const { config, session, metrics, onEvent } = options
  const replay = await openReplayPart(options)
  opened.defer(() => replay.close())
  const point = config.gateway.name
  const store = new TrustStore({ td: config.trustDomain, pins: options.pins })
  const onFailed = (error: unknown): void => onEvent(reportFailure(error))
  const reports = opened.use(openSecurityReports(session, { point, onFailed }))
  const alertness = new Alertness(config)
  const links = await openMirrorLinks(config.trust.mirrors)
  opened.defer(() => links.close())
  const parts = { trust: store, reports, replay: replay.guard, mirrors: links.mirrors }
  let policies: PolicyPart | undefined
  const verifier = openVerifier({ ...options, alertness }, parts)
  opened.defer(() => verifier.close())
  const held = () => policies?.held() ?? {}
  const follower = opened.use(
    await openTrustFollower(followerOptions(options, { store, verifier, alertness, links, held })),
  )
  policies = opened.use(await PolicyPart.open({ ...options, store, files: options.policies, follower }))
  const outbox = openOutboxPart(options, () => alertness.incident)
  opened.defer(() => outbox.close())
  const recording = opened.use(await openDecisionPart({ ...options, alertness, outbox }))
  const { decisions } = recording
  opened.defer(watchPropagation(metrics, store))
  const deferred = opened.use(openDeferredPart({ metrics, point, verifier, reports, onEvent }))
  const asked = await openEnginesPart(config, metrics)
  opened.defer(() => asked.close())
  const load = openLoadPart(options)
  opened.defer(() => load.close())
  const asOpened: GatewayOptions = {
    ...(await gatewayOptions(options, { store, verifier, decisions, policies })),
    ...load.gateway,
    ...outbox.gateway,
    engines: asked.engines,
    ...(config.gateway.probes && { probes: probeOptions(options, { follower, verifier }) }),
    deferred: (request) => deferred.add(request),
    incident: () => alertness.incident,
    ...(options.onward !== undefined && { onward: options.onward }),
  }
  const { gateway, flows } = await openEntrances(options, asOpened, { opened, policies })
  const setGauges = gaugesOf(metrics, { verifier, follower, store })
  return {
    gateway,
    verifier,
    follower,
    decisions,
    recording,
    replay,
    deferred,
    policies,
    refresh() {
      replay.refresh()
      setGauges()
      metrics.gauge('deferred_backlog').set(0, deferred.backlog)
      metrics.gauge('sampling_ratio').set(0, samplingRatio(config, alertness))
      load.refresh()
      flows?.refresh()
    },
  }
}

/** What requests and flows come in by. */
interface Entrances {
  readonly gateway: PointServer
  readonly flows?: FlowPart
}

/** Opens what requests and flows come in by, and hands policies to both. */
async function openEntrances(
  options: GatewayPartOptions,
  asOpened: GatewayOptions,
  { opened, policies }: { readonly opened: AsyncDisposableStack; readonly policies: PolicyPart },
): Promise<Entrances> {
  const { role, config } = options
  const gateway = await openPointServer(role, config, asOpened)
  opened.defer(() => gateway.close())
  if (role !== 'gateway' || config.gateway.flows.length === 0) {
    policies.use(gateway)
    return { gateway }
  }
  const part = await openFlowPart(options, asOpened)
  opened.defer(() => part.flows.close())
  policies.use({
    usePolicies(...taken) {
      gateway.usePolicies(...taken)
      part.flows.usePolicies(...taken)
    },
  })
  return { gateway, flows: part }
}

/** What the trust follower of a gateway needs. */
interface Following {
  readonly store: TrustStore
  readonly verifier: Verifier
  readonly alertness: Alertness
  readonly links: Awaited<ReturnType<typeof openMirrorLinks>>
  readonly held: () => JsonObject
}

function followerOptions(
  { config, session, thread, onEvent }: GatewayPartOptions,
  { store, verifier, alertness, links, held }: Following,
): TrustFollowerOptions {
  const point = config.gateway.name
  return {
    session,
    store,
    mirrors: links.mirrors,
    point: thread === 0 ? point : `${point}-${thread}`,
    kind: 'gateway',
    region: config.region,
    held,
    verifyProbe: async (probe) => (await verifier.verify({ ...probe, tokenCount: 1 })).reason,
    snapshotFile: join(config.trust.snapshotDirectory, `${point}-${thread}.snapshot`),
    staleAfterMs: config.trust.staleAfterMs,
    onSampling: (raised) => alertness.take(raised),
    onEvent: (event) => tellFollower(event, onEvent),
  }
}

/** The parts that a gateway is opened from. */
interface GatewayParts {
  readonly store: TrustStore
  readonly verifier: Verifier
  readonly decisions: DecisionLog
  readonly policies: PolicyPart
}

async function gatewayOptions(options: GatewayPartOptions, parts: GatewayParts): Promise<GatewayOptions> {
  const { config, metrics } = options
  const { store, verifier, decisions, policies } = parts
  const point = config.gateway.name
  return {
    point,
    region: config.region,
    // A sidecar of a service that nobody calls only verifies.
    listeners:
      options.role === 'sidecar' && config.gateway.routes.length === 0 ? [] : [await listenerOf(options)],
    routes: await Promise.all(config.gateway.routes.map((route) => routeOf(route, config))),
    verifier,
    policies: policies.active,
    candidates: policies.candidates,
    policyObserver: policyObserver({ metrics, point }),
    watch: (...decided) => policies.watch(...decided),
    decisions,
    trust: store,
    ...(config.gateway.retries.proxies.length > 0 && { retries: config.gateway.retries }),
    proofAuthorities: config.gateway.proofAuthorities,
    clockToleranceS: Math.floor(config.trust.clockToleranceMs / 1_000),
    quarantineInFlightMax: config.gateway.quarantine.inFlightMax,
    limits: {
      headBytesMax: config.gateway.limits.headerBytesMax,
      connectionsMax: config.gateway.limits.connectionsMax,
      inFlightMax: config.gateway.limits.inFlightMax,
    },
    timeouts: {
      connectMs: config.gateway.limits.connectTimeoutMs,
      responseMs: config.gateway.limits.upstreamTimeoutMs,
      idleMs: config.gateway.limits.idleTimeoutMs,
      stopMs: config.gateway.limits.stopDeadlineMs,
    },
  }
}

/** Measures how long revocations take to get here. Those of the history, which were there before, are no measure. */
function watchPropagation(metrics: Metrics, store: TrustStore): () => void {
  const histogram = metrics.histogram('revocation_propagation_seconds')
  return store.subscribe({
    onEpoch() {
      if (store.state !== undefined)
        histogram.observe(0, Math.max(0, systemClock.now() - store.state.timeMs) / 1_000)
    },
  })
}

function reportFailure(error: unknown): string {
  return `gateway: security reports were not sent: ${error instanceof Error ? error.message : 'unknown'}`
}

async function listenerOf({ config, thread, sharesPort }: GatewayPartOptions): Promise<ListenerOptions> {
  const { listen, tls, name } = config.gateway
  const identity =
    tls &&
    (await createListenerTls({
      tls,
      names: ['localhost', listen.host],
      directory: join(config.custody.directory, `gateway-${name}`),
    }))
  return {
    name: `${name}/${thread}`,
    host: listen.host,
    port: listen.port,
    reusePort: sharesPort,
    detail: config.gateway.detail,
    ...(config.gateway.clientCertificates !== undefined && {
      clientCertificates: config.gateway.clientCertificates,
    }),
    ...(identity !== undefined && {
      tls: {
        key: identity.key,
        cert: identity.certificate,
        keyExchange: identity.keyExchange,
        ...(await clientCertificates(tls)),
      },
    }),
  }
}

async function clientCertificates(tls: GatewayTlsConfig | undefined): Promise<Partial<ListenerTls>> {
  if (tls?.client === undefined) return {}
  const { caFile, demand } = tls.client
  return {
    ca: await readText({ path: caFile, what: 'certificate' }),
    clientCertificate: demand === 'required' ? 'require' : 'optional',
  }
}

async function routeOf(route: RouteConfig, config: Config): Promise<GatewayRoute> {
  const ca =
    route.upstreamCaFile === undefined
      ? undefined
      : await readText({ path: route.upstreamCaFile, what: 'certificate' })
  const service = config.services.find(({ id }) => id === route.service)
  return {
    match: route.match,
    exempt: route.exempt,
    service: route.service,
    upstream: {
      url: route.upstream,
      ...(ca !== undefined && { tls: { ca } }),
    },
    ...(route.quarantineUpstream !== undefined && { quarantineUpstream: { url: route.quarantineUpstream } }),
    policy: route.policy,
    forwardToken: route.forwardToken,
    accept: {
      standalone: route.standalone,
      reference: true,
      jwt: config.issuance.jwt.enabled,
      domainAudience: service?.acceptDomainAudience,
    },
    deep: deepModeOf(config, route.service),
    tier: service?.tier,
    stage: service?.stage,
  }
}

/** Sets the gauges of what a verifier holds; what is only counted in there is added as it grew. */
function gaugesOf(
  metrics: Metrics,
  { verifier, follower, store }: Pick<GatewayPart, 'verifier' | 'follower'> & { readonly store: TrustStore },
): () => void {
  const caches = metrics.gauge('cache_entries')
  const hits = metrics.counter('cache_hits_total')
  const place = caches.places(0)
  let headHitsTold = 0
  return () => {
    const { ageMs, epoch, clockOffsetMs } = follower.status()
    const { cacheEntries, attestations, attestationsFresh, headHits } = verifier.stats()
    if (Number.isFinite(ageMs)) metrics.gauge('trust_snapshot_age_seconds').set(0, ageMs / 1_000)
    if (clockOffsetMs !== undefined) metrics.gauge('clock_offset_seconds').set(0, clockOffsetMs / 1_000)
    metrics.gauge('revocation_epoch').set(0, epoch)
    caches.set(place('token'), cacheEntries)
    caches.set(place('head'), store.headCount)
    caches.set(place('attestation'), attestations)
    if (attestations > 0) metrics.gauge('attestations_fresh_ratio').set(0, attestationsFresh / attestations)
    hits.add(place('head'), headHits - headHitsTold)
    headHitsTold = headHits
  }
}
