import { join } from 'node:path'
import type { JsonObject } from '@quantum-ip/base'
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
import {
  Alertness,
  type DecisionKeeping,
  type RolledOutPolicies,
  verifierGauges,
  watchPropagation,
} from '@quantum-ip/point/member'
import { type CompiledPolicy } from '@quantum-ip/policy'
import { type DecisionLog, type Metrics, policyObserver, type TelemetryBatch } from '@quantum-ip/telemetry'
import { type RootPins, TrustStore } from '@quantum-ip/trust'
import { readText } from '../lib/files.ts'
import { deepModeOf, openDeferredPart, samplingRatio } from './deep-checks.ts'
import { openDecisionPart } from './decision-part.ts'
import { type FlowPart, openFlowPart } from './flow-part.ts'
import { openEnginesPart } from './engines-part.ts'
import { tellFollower } from './follower-text.ts'
import { openLoadPart } from './load-part.ts'
import { openMirrorLinks } from './mirror-links.ts'
import type { Verifier } from '@quantum-ip/verifier'
import { openVerifier } from './gateway-verifier.ts'
import { openPolicyPart } from './policy-part.ts'
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
  readonly recording: DecisionKeeping
  readonly replay: ReplayPart
  readonly deferred: DeferredChecks
  readonly policies: RolledOutPolicies
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
  const alertness = new Alertness(config.attestations.incidentSampling)
  const links = await openMirrorLinks(config.trust.mirrors)
  opened.defer(() => links.close())
  const parts = { trust: store, reports, replay: replay.guard, mirrors: links.mirrors }
  let policies: RolledOutPolicies | undefined
  const verifier = openVerifier({ ...options, alertness }, parts)
  opened.defer(() => verifier.close())
  const held = () => policies?.held() ?? {}
  const follower = opened.use(
    await openTrustFollower(followerOptions(options, { store, verifier, alertness, links, held })),
  )
  policies = opened.use(await openPolicyPart({ ...options, store, files: options.policies, follower }))
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
  const setGauges = verifierGauges(metrics, { verifier, follower, store })
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
  { opened, policies }: { readonly opened: AsyncDisposableStack; readonly policies: RolledOutPolicies },
): Promise<Entrances> {
  const { role, config } = options
  const gateway = await openPointServer(role, config, asOpened)
  opened.defer(() => gateway.close())
  if (role !== 'gateway' || config.gateway.flows.length === 0) {
    policies.use((active, candidates) => gateway.usePolicies(active, candidates))
    return { gateway }
  }
  const part = await openFlowPart(options, asOpened)
  opened.defer(() => part.flows.close())
  policies.use((active, candidates) => {
    gateway.usePolicies(active, candidates)
    part.flows.usePolicies(active, candidates)
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
  readonly policies: RolledOutPolicies
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
