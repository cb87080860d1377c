import {
  createServer as createIdleServer,
  type IncomingMessage,
  type ServerResponse,
  type Server as HttpServer,
} from 'node:http'
import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox'
import Fastify, { type FastifyBaseLogger, type FastifyInstance } from 'fastify'
import { base64url, systemRandom } from '@quantum-ip/base'
import { addHealthRoutes } from './health.ts'
import { answerClientError } from './lib/client-error.ts'
import { addHooks } from './lib/hooks.ts'
import { addParsers, parseQuery } from './lib/parsers.ts'
import { sendProblem } from './lib/send-problem.ts'
import { SocketLoad } from './lib/socket-load.ts'
import { markArrival } from './guard.ts'
import { type Bound, bind, type Listener } from './listener.ts'
import { addOpenApi } from './open-api.ts'
import { type LoadShedder, openLoadShedder } from './load/load-shedder.ts'
import { Overload } from './overload.ts'
import { defaultServerLimits, type OpenServerOptions, type ServerLimits } from './server-options.ts'
import { validatorCompiler } from './validator.ts'

/** fastify, with routes typed by their TypeBox schemas. */
export type App = FastifyInstance<
  HttpServer,
  IncomingMessage,
  ServerResponse,
  FastifyBaseLogger,
  TypeBoxTypeProvider
>

/** What a stop left undone. */
export interface StopReport {
  /** Connections that were cut at the deadline. */
  readonly cut: number
}

/** A server: routes are added to `app`, then it listens, then it is closed. */
export interface Server extends AsyncDisposable {
  readonly app: App
  readonly limits: ServerLimits
  /** Requests in flight; clients of a feed are not counted. */
  readonly inFlight: number
  readonly stopping: boolean
  /**
   * Listens on all of them, or, where one fails, on none.
   *
   * @throws {HttpError} `QIP_HTTP_ADDRESS_IN_USE`, `QIP_HTTP_ADDRESS_UNAVAILABLE`, `QIP_HTTP_ADDRESS_FORBIDDEN`,
   * `QIP_HTTP_SOCKET_IN_USE`, `QIP_HTTP_SOCKET_UNUSABLE`, `QIP_HTTP_CERTIFICATE_INVALID`, and for a route that a plugin
   * added `QIP_HTTP_ACCESS_UNDECLARED` or `QIP_HTTP_SCHEMA_OPEN`.
   */
  listen(listeners: readonly Listener[]): Promise<readonly Bound[]>
  /** Called when the server begins to stop: the place to close feeds. */
  onStop(act: () => void | Promise<void>): void
  /** Stops: nothing new is taken, what is in flight may finish until the deadline, the rest is cut. */
  close(options?: { readonly deadlineMs?: number }): Promise<StopReport>
}

/**
 * Opens a server whose defaults refuse: unknown members, duplicate JSON names, coercion, bodies and queries that no
 * schema describes, routes without an access rule, headers and bodies above their limits, requests above the limit in flight.
 *
 * Errors are problem JSON (RFC 9457) with our codes. `/healthz` and `/readyz` are there; all else is added to `app`.
 */
export async function openServer(options: OpenServerOptions): Promise<Server> {
  const limits = { ...defaultServerLimits, ...options.limits }
  const state = new ServerState(options, limits)
  const app = newApp(options, limits)
  addParsers(app)
  app.setErrorHandler((error, request, reply) =>
    sendProblem({ error, request, reply, observer: options.observer }),
  )
  addHooks(app, { options, limits, overload: state.overload, stopping: () => state.stopping })
  await addOpenApi(app, { title: options.title, version: options.version })
  addHealthRoutes(app, {
    stopping: () => state.stopping,
    ...(options.ready === undefined ? {} : { ready: options.ready }),
  })
  return {
    app,
    limits,
    get inFlight() {
      return state.overload.inFlight
    },
    get stopping() {
      return state.stopping
    },
    listen: async (listeners) => await state.listen(app, listeners),
    onStop: (act) => state.onStop.push(act),
    close: async ({ deadlineMs = limits.stopDeadlineMs } = {}) => await state.close(app, deadlineMs),
    [Symbol.asyncDispose]: async () => {
      await state.close(app, limits.stopDeadlineMs)
    },
  }
}

function newApp(options: OpenServerOptions, limits: ServerLimits): App {
  const { random = systemRandom, observer } = options
  const app = Fastify({
    logger: false,
    // Listeners are our own: one fastify serves several. This server never listens.
    serverFactory: (handler) => createIdleServer(handler),
    bodyLimit: limits.bodyBytesMax,
    handlerTimeout: limits.handlerTimeoutMs,
    return503OnClosing: false,
    exposeHeadRoutes: false,
    requestIdHeader: false,
    trustProxy: false,
    genReqId: () => base64url(random.bytes(12)),
    routerOptions: { querystringParser: parseQuery, maxParamLength: 1_024 },
    frameworkErrors: (error, request, reply) => sendProblem({ error, request, reply, observer }),
  }).withTypeProvider<TypeBoxTypeProvider>()
  app.setValidatorCompiler(validatorCompiler)
  return app
}

class ServerState {
  readonly overload: Overload
  readonly onStop: (() => void | Promise<void>)[] = []
  readonly #options: OpenServerOptions
  readonly #limits: ServerLimits
  readonly #load = new SocketLoad()
  readonly #bound: Bound[] = []
  readonly #shedder: LoadShedder | undefined
  #closed: Promise<StopReport> | undefined

  constructor(options: OpenServerOptions, limits: ServerLimits) {
    this.#options = options
    this.#limits = limits
    this.#shedder = options.overload && openLoadShedder(options.overload)
    this.overload = new Overload({
      ...limits,
      ...(this.#shedder === undefined ? {} : { shedder: this.#shedder }),
      ...(options.random === undefined ? {} : { random: options.random }),
    })
  }

  get stopping(): boolean {
    return this.#closed !== undefined
  }

  async listen(app: App, listeners: readonly Listener[]): Promise<readonly Bound[]> {
    await app.ready()
    const fresh: Bound[] = []
    try {
      for (const listener of listeners) fresh.push(await this.#bind(app, listener))
    } catch (error) {
      for (const bound of fresh) await bound.stopAccepting()
      throw error
    }
    this.#bound.push(...fresh)
    return fresh
  }

  async #bind(app: App, listener: Listener): Promise<Bound> {
    const arrival = { unixSocket: 'path' in listener }
    const observer = this.#options.observer ?? {}
    return await bind({
      listener,
      limits: this.#limits,
      observer,
      handler: (request, response) => {
        this.#load.begin(request.socket, response)
        markArrival(request, arrival)
        if (this.#options.relay?.(request, response, arrival) === true) return
        app.routing(request, response)
      },
      onClientError: (error, socket) =>
        answerClientError({ error, socket, load: this.#load, limits: this.#limits }),
      onListenerError: (error) => observer.onDefect?.(error, { requestId: '', route: '' }),
    })
  }

  async close(app: App, deadlineMs: number): Promise<StopReport> {
    this.#closed ??= this.#close(app, deadlineMs)
    return await this.#closed
  }

  async #close(app: App, deadlineMs: number): Promise<StopReport> {
    const closed = Promise.all(this.#bound.map(async (bound) => await bound.stopAccepting()))
    for (const act of this.onStop) await act()
    // A connection whose response began before the stop stays open after it; so the idle ones are closed again and again.
    const sweep = setInterval(() => {
      for (const bound of this.#bound) bound.closeIdle()
    }, 25)
    const deadline = Promise.withResolvers<'late'>()
    const timer = setTimeout(() => deadline.resolve('late'), deadlineMs)
    const late = (await Promise.race([closed, deadline.promise])) === 'late'
    clearInterval(sweep)
    clearTimeout(timer)
    const cut = late ? this.#bound.reduce((sum, bound) => sum + bound.closeAll(), 0) : 0
    await closed
    await app.close()
    this.#shedder?.[Symbol.dispose]()
    return { cut }
  }
}
