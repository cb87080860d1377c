import { join } from 'node:path'
import type { JsonObject } from '@quantum-ip/base'
import {
  type App,
  type Bound,
  type BroadcasterOptions,
  createFirstAdmin,
  type Listener,
  openApiDocument,
  openBroadcaster,
  openServer,
  requireRole,
  type OpenServerOptions,
  type Server,
  type ServerLimits,
  type ServerObserver,
} from '@quantum-ip/http'
import type { MetricsPage } from '@quantum-ip/telemetry'
import type { VerifierObserver } from '@quantum-ip/verifier'
import type { Authority } from './authority.ts'
import { recheckAttestation } from './detection/recheck-attestation.ts'
import { openLocalVerifier } from './local-verifier.ts'
import { sqlCredentialStore } from './operators.ts'
import { addAdjudicationRoutes } from './routes/adjudication-routes.ts'
import { addAttestationRoutes } from './routes/attestation-routes.ts'
import { addBackupRoutes } from './routes/backup-routes.ts'
import { addDecisionRoutes } from './routes/decision-routes.ts'
import { addEventRoutes } from './routes/event-routes.ts'
import { addInvestigationRoutes } from './routes/investigation-routes.ts'
import { addLedgerRoutes } from './routes/ledger-routes.ts'
import { addFleetRoutes } from './routes/fleet-routes.ts'
import { addIncidentRoutes } from './routes/incident-routes.ts'
import { addKeyRoutes, addRecordRoutes } from './routes/operator-routes.ts'
import { addRotationRoutes } from './routes/rotation-routes.ts'
import { authenticateSession, type DeclaredService, type RouteContext } from './routes/route-context.ts'
import { addPolicyRoutes } from './routes/policy-routes.ts'
import { addRootRoutes } from './routes/root-routes.ts'
import { addSamplingRoutes, samplingEvent } from './routes/sampling-routes.ts'
import { Sampling } from './state/sampling.ts'
import { addTokenRoutes } from './routes/token-routes.ts'
import { addTrustRoutes, feedEvent } from './routes/trust-routes.ts'
import { addVerifyRoutes } from './routes/verify-routes.ts'
import { addWindowRoutes } from './routes/window-routes.ts'
import { addWorkloadRoutes } from './routes/workload-routes.ts'
import { watchDeclared } from './operations/watch-declared.ts'

/** How an authority is served. */
export interface AuthorityServerOptions {
  readonly authority: Authority
  readonly listeners: readonly Listener[]
  readonly services?: readonly DeclaredService[]
  readonly limits?: Partial<ServerLimits>
  readonly observer?: ServerObserver
  /** When requests are refused because the process is late with its work. */
  readonly overload?: NonNullable<OpenServerOptions['overload']>
  /** Limits of the feed. */
  readonly feed?: Pick<BroadcasterOptions, 'clientsMax' | 'clientBytesMax' | 'eventsMax' | 'keepAliveMs'>
  /** Told what verification as a service spends its time on. */
  readonly verifierObserver?: VerifierObserver
  /** What `/metrics` answers to a scrape with this `Accept` field. */
  readonly metrics?: (accept: string | undefined) => MetricsPage
  /** What this process has counted of the service levels: `GET /v1/slo`. */
  readonly levels?: () => JsonObject
}

/** An authority that listens. */
export interface AuthorityServer {
  readonly server: Server
  readonly bound: readonly Bound[]
  /** Where the first admin credential was written, if this is the first start. */
  readonly firstAdminFile: string | undefined
  /** Stops the server; the authority itself is closed by whoever opened it. */
  close(): Promise<void>
}

/** A state older than this is not what a ready authority serves. */
const readyStateMs = 15_000

/**
 * Serves an authority: JSON over HTTP, the feed, the logs.
 *
 * @throws {HttpError} if an address cannot be listened on
 */
export async function serveAuthority(options: AuthorityServerOptions): Promise<AuthorityServer> {
  const { authority, services = [], metrics } = options
  const credentials = sqlCredentialStore(authority.store.sql)
  const adminFile = join(authority.store.folder, 'admin-credential')
  const first = await createFirstAdmin({ store: credentials, file: adminFile })
  const server = await openServer({
    title: 'Quantum IP authority',
    version: '1',
    credentials,
    authenticateMember: (authorization, request) => authenticateSession(authority, authorization, request),
    ready: () => [
      {
        name: 'state',
        ok: authority.clock.now() - authority.publisher.current.timeMs < readyStateMs,
      },
    ],
    ...(options.limits !== undefined && { limits: options.limits }),
    ...(options.observer !== undefined && { observer: options.observer }),
    ...(options.overload !== undefined && { overload: options.overload }),
  })
  const feed = openBroadcaster(options.feed)
  const unsubscribe = authority.publisher.subscribe((publication) => feed.publish(feedEvent(publication)))
  const local = await openLocalVerifier(authority, options.verifierObserver)
  const { registry } = authority
  authority.watch.reports.recheckBy((place) => recheckAttestation(place, { registry, local }))
  const sampling = await Sampling.open({ sql: authority.store.sql, clock: authority.clock }, (state) =>
    feed.publish(samplingEvent(state)),
  )
  const declared = await watchDeclared(authority.operations)
  const context: RouteContext = { authority, services }
  addTrustRoutes(server.app, context, { feed, greeting: () => [samplingEvent(sampling.current)] })
  addSamplingRoutes(server.app, context, sampling)
  addIncidentRoutes(server.app, context, sampling)
  addPlainRoutes(server.app, context)
  addVerifyRoutes(server.app, local.verifier)
  addLevelRoutes(server.app, options.levels)
  if (metrics !== undefined) {
    server.app.get('/metrics', { config: { access: 'open' } }, (request, reply) => {
      const { mediaType, text } = metrics(request.headers.accept)
      return reply.type(mediaType).send(text)
    })
  }
  server.app.get('/openapi.json', { config: { access: 'open' } }, () => openApiDocument(server))
  server.onStop(() => {
    unsubscribe()
    sampling[Symbol.dispose]()
    declared[Symbol.dispose]()
    local.close()
    feed.close()
  })
  const bound = await server.listen(options.listeners).catch(async (error: unknown) => {
    await server.close()
    throw error
  })
  return {
    server,
    bound,
    firstAdminFile: first === undefined ? undefined : adminFile,
    async close() {
      await server.close()
    },
  }
}

/** The routes that need nothing but the authority. */
function addPlainRoutes(app: App, context: RouteContext): void {
  addWorkloadRoutes(app, context)
  addTokenRoutes(app, context)
  addAttestationRoutes(app, context)
  addLedgerRoutes(app, context)
  addKeyRoutes(app, context)
  addRotationRoutes(app, context)
  addRootRoutes(app, context)
  addFleetRoutes(app, context)
  addPolicyRoutes(app, context)
  addRecordRoutes(app, context)
  addDecisionRoutes(app, context)
  addAdjudicationRoutes(app, context)
  addBackupRoutes(app, context)
  addEventRoutes(app, context)
  addInvestigationRoutes(app, context)
  addWindowRoutes(app, context)
}

/** What this process has counted of the service levels, where it counts. */
function addLevelRoutes(app: App, levels: AuthorityServerOptions['levels']): void {
  if (levels !== undefined) app.get('/v1/slo', { config: requireRole('viewer') }, () => levels())
}
