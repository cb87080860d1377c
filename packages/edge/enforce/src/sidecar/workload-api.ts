import type { ServiceId } from '@quantum-ip/base'
import type { Session } from '@quantum-ip/client'
import type { ProofSigner } from '@quantum-ip/crypto'
import { type App, type HealthCheck, openApiDocument, openServer, type Server } from '@quantum-ip/http'
import type { TrustStore } from '@quantum-ip/trust'
import type { Verifier } from '@quantum-ip/verifier'
import { EnforceError } from '../enforce-errors.ts'
import type { CallMemory } from './call-memory.ts'
import type { HeldTokens } from './held-tokens.ts'
import { addIdentityRoutes } from './identity-routes.ts'
import { addTokenRoute } from './token-route.ts'
import { addVerifyRoute } from './verify-route.ts'
import { addWatchRoute } from './watch-route.ts'

/** The field that every request to the workload API must have, with the value `true`. */
export const workloadField = 'quantum-ip-workload'

/** What the workload API answers from. */
export interface WorkloadParts {
  readonly service: ServiceId
  readonly trustDomain: string
  /** The name of this sidecar. */
  readonly point: string
  /** Of the service, role `workload`. */
  readonly session: Pick<Session, 'admission'>
  readonly tokens: HeldTokens
  readonly calls: CallMemory
  readonly signer: ProofSigner
  readonly verifier: Pick<Verifier, 'verify'>
  readonly trust: TrustStore
  readonly staleAfterMs: number
  /** Whether tokens that carry their own signatures are good here. */
  readonly acceptStandalone: boolean
  readonly acceptJwt: boolean
}

/** Where the workload API listens, and its limits. */
export interface WorkloadApiOptions extends WorkloadParts {
  readonly path: string
  readonly mode: number
  readonly group?: number | undefined
  readonly connectionsMax: number
  readonly inFlightMax: number
  /** What `/readyz` answers by. */
  readonly ready: () => Promise<readonly HealthCheck[]> | readonly HealthCheck[]
  /** Hears of each answered request; `route` is its pattern, empty for none. */
  readonly onReply?: (route: string, status: number) => void
}

/**
 * Opens the workload API: tokens, verdicts and the trust state for programs of one service, as HTTP and JSON on a Unix socket.
 *
 * Whoever may open the socket speaks as the service; so it is a file with permissions, and nothing else. A request without
 * `Quantum-IP-Workload: true` is refused: a program that fetches URLs for others does not send it.
 *
 * @throws {HttpError} `QIP_HTTP_SOCKET_IN_USE`, `QIP_HTTP_SOCKET_UNUSABLE`
 */
export async function openWorkloadApi(options: WorkloadApiOptions): Promise<Server> {
  const { path, mode, group, connectionsMax, inFlightMax, ready, onReply } = options
  const server = await openServer({
    title: 'Quantum IP workload API',
    version: '1',
    ready,
    // Tokens and URLs are short; whoever sends more is not a service that asks for a token.
    limits: { connectionsMax, inFlightMax, bodyBytesMax: 131_072 },
    ...(onReply !== undefined && { observer: { onReply: ({ route, status }) => onReply(route, status) } }),
  })
  const stopWatching = addWorkloadRoutes(server.app, options)
  server.app.get('/openapi.json', { config: { access: 'open' } }, () => documentOf(server))
  server.onStop(stopWatching)
  await server.listen([{ path, mode, ...(group !== undefined && { group }) }])
  return server
}

/** Adds the routes of the workload API; the result ends those that wait. */
export function addWorkloadRoutes(app: App, parts: WorkloadParts): () => void {
  app.addHook('onRequest', async (request) => {
    if (request.routeOptions.config.vital === true || request.is404) return
    if (request.headers[workloadField] !== 'true')
      throw new EnforceError('QIP_ENFORCE_WORKLOAD_FIELD_MISSING', {})
  })
  addTokenRoute(app, parts)
  addVerifyRoute(app, parts)
  addIdentityRoutes(app, parts)
  return addWatchRoute(app, parts)
}

// Its routes are open to whoever gets there; and that is said by the socket.
function documentOf(server: Server): unknown {
  const access =
    'Access: whoever may open the socket, with the field `Quantum-IP-Workload: true`; `/healthz` and `/readyz` without it.'
  const told = JSON.stringify(openApiDocument(server)).replaceAll('Access: open to all.', access)
  return JSON.parse(told) as unknown
}

/** The OpenAPI document of the workload API. */
export async function workloadApiDocument(): Promise<unknown> {
  const server = await openServer({ title: 'Quantum IP workload API', version: '1' })
  // Routes are described without being called.
  addWorkloadRoutes(server.app, {} as WorkloadParts)()
  await server.app.ready()
  const document = documentOf(server)
  await server.close()
  return document
}
