import { type Bound, type Listener, openBroadcaster, openServer, type Server } from '@quantum-ip/http'
import { sqlCredentialStore } from '../operators.ts'
import { authenticateSession } from '../routes/route-context.ts'
import { addTokenRoutes } from '../routes/token-routes.ts'
import { addTrustRoutes, feedEvent } from '../routes/trust-routes.ts'
import type { AuthorityServerOptions } from '../server.ts'
import type { Declared } from '../operations/declared-view.ts'
import type { AuthorityInstance } from './authority-instance.ts'
import { followDeclared } from './follow-declared.ts'
import { createRelay } from './relay-to-leader.ts'

/** How an instance is served to everybody. */
export interface InstanceServerOptions extends Pick<
  AuthorityServerOptions,
  'listeners' | 'limits' | 'observer' | 'overload' | 'feed' | 'metrics'
> {
  readonly instance: AuthorityInstance
  readonly listeners: readonly Listener[]
  /** The Unix socket of the leading part, where this instance leads. */
  readonly leaderSocket?: string
  /** PEM certificates that other instances have; absent: those of the system. */
  readonly ca?: string
}

/** An instance that listens. */
export interface InstanceServer {
  readonly server: Server
  readonly bound: readonly Bound[]
  /** What is declared in the store that all instances share. */
  declared(): Declared
  close(): Promise<void>
}

const readyStateMs = 15_000

/** Every instance issues and passes on what is published; all else is the leader's. */
function isOwn(path: string): boolean {
  return (
    ['/v1/tokens', '/oauth/token', '/v1/references', '/healthz', '/readyz', '/metrics'].includes(path) ||
    ['/.well-known/quantum-ip', '/v1/root', '/v1/bundle', '/v1/state', '/v1/history', '/v1/feed'].includes(
      path,
    ) ||
    path.startsWith('/v1/heads/')
  )
}

/**
 * Serves an instance: tokens and what verifiers follow by itself, all else by the leader, whoever that is.
 *
 * @throws {HttpError} if an address cannot be listened on
 */
export async function serveInstance(options: InstanceServerOptions): Promise<InstanceServer> {
  const { instance, metrics } = options
  const { issuing } = instance
  const relay = createRelay({
    leaderUrl: () => instance.leaderUrl,
    leaderSocket: () => (instance.isLeading ? options.leaderSocket : undefined),
    isOwn,
    ...(options.ca !== undefined && { ca: options.ca }),
  })
  const server = await openServer({
    title: 'Quantum IP authority',
    version: '1',
    credentials: sqlCredentialStore(instance.store.sql),
    authenticateMember: (authorization, request) => authenticateSession(issuing, authorization, request),
    ready: () => [
      { name: 'state', ok: issuing.clock.now() - issuing.publisher.current.timeMs < readyStateMs },
    ],
    relay,
    ...(options.limits !== undefined && { limits: options.limits }),
    ...(options.observer !== undefined && { observer: options.observer }),
    ...(options.overload !== undefined && { overload: options.overload }),
  })
  const feed = openBroadcaster(options.feed)
  const unsubscribe = issuing.publisher.subscribe((publication) => feed.publish(feedEvent(publication)))
  const declared = await followDeclared(instance, (event) => feed.publish(event))
  addTrustRoutes(server.app, { authority: issuing }, { feed, greeting: () => [declared.greeting()] })
  addTokenRoutes(server.app, { authority: issuing })
  if (metrics !== undefined) {
    server.app.get('/metrics', { config: { access: 'open' } }, (request, reply) => {
      const { mediaType, text } = metrics(request.headers.accept)
      return reply.type(mediaType).send(text)
    })
  }
  server.onStop(() => {
    unsubscribe()
    declared[Symbol.dispose]()
    feed.close()
    relay.close()
  })
  const bound = await server.listen(options.listeners).catch(async (error: unknown) => {
    await server.close()
    throw error
  })
  return {
    server,
    bound,
    declared: () => declared.view.current,
    close: async () => void (await server.close()),
  }
}
