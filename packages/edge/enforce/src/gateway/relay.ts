import { systemClock } from '@quantum-ip/base'
import { allocateLoadMemory, OpenStreams, SharedLoad } from '@quantum-ip/point'
import { EnforceError } from '../enforce-errors.ts'
import { FieldScanner } from './field-scan.ts'
import { type BoundAddress, type Listener, openListener } from './listener.ts'
import { parseTrustedPeers } from './peers.ts'
import { relayProblem } from './problem.ts'
import type { RelayCore } from './relay-core.ts'
import {
  type RelayLimits,
  type RelayOptions,
  parseNumbers,
  relayLimits,
  relayTimeouts,
} from './relay-options.ts'
import { type Upstream, type UpstreamOptions, openUpstream } from './upstream.ts'

/** A running relay. */
export interface Relay {
  /** Where it listens, in the order of the options. */
  readonly addresses: readonly BoundAddress[]
  /** Requests and tunnels in flight in this thread. */
  readonly inFlight: number
  /** Where this relay counts together with those of other threads. */
  readonly load: SharedLoad
  /** Its limits, with what was not given. */
  readonly limits: RelayLimits
  /** Opens an upstream with the relay's time-outs; it is closed with the relay. */
  openUpstream(options: UpstreamOptions): Upstream
  /**
   * Cuts both sides of every open request and tunnel whose {@link StreamTerms.subject} passes `test`.
   * Returns how many.
   */
  cutStreams(test: (subject: unknown) => boolean): number
  /**
   * Stops: accepts nothing more, closes idle connections, lets what is in flight finish for
   * `stopMs`, then cuts the rest, tunnels included. Resolves when everything is closed.
   */
  close(): Promise<void>
  [Symbol.asyncDispose](): Promise<void>
}

/**
 * Opens the relay: a streaming reverse proxy that asks a {@link Guard} about every request.
 *
 * HTTP/1.1, HTTP/2 and upgrades in; HTTP/1.1, HTTP/2 and Unix sockets out; bodies stream with
 * back-pressure in both directions. A request with more than one reading is refused before the guard
 * sees it, hop-by-hop fields never pass (RFC 9110, section 7.6.1), and what breaks off upstream is
 * broken off towards the client too. Request trailers are not forwarded.
 *
 * @throws {EnforceError} `QIP_ENFORCE_OPTION_INVALID`, `QIP_ENFORCE_LISTEN_FAILED`
 */
export async function openRelay(options: RelayOptions): Promise<Relay> {
  if (!/^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,128}$/.test(options.name)) {
    throw new EnforceError('QIP_ENFORCE_OPTION_INVALID', {
      option: 'name',
      reason: 'not a token of 1 to 128 characters',
    })
  }
  const core = openCore(options)
  const listeners: Listener[] = []
  try {
    for (const listener of options.listeners) listeners.push(await openListener(core, listener))
  } catch (error) {
    await Promise.all(listeners.map((listener) => listener.close()))
    throw error
  }
  return new OpenRelay(core, listeners)
}

function openCore(options: RelayOptions): RelayCore {
  const limits = parseNumbers('limits', relayLimits, options.limits)
  const observer = options.observer ?? {}
  const load = options.load ?? new SharedLoad(allocateLoadMemory({ threads: 1 }), 0)
  const inFlight = load.counter('in flight')
  return {
    guard: options.guard,
    clock: options.clock ?? systemClock,
    timeouts: parseNumbers('timeouts', relayTimeouts, options.timeouts),
    limits,
    observer,
    problem: options.problem ?? relayProblem,
    rules: {
      scanner: new FieldScanner({ reserved: options.reserved ?? [], name: options.name }),
      trusted: parseTrustedPeers(options.trustedProxies ?? []),
      exactPaths: options.ambiguousPaths === 'exact',
      fieldsMax: limits.fieldsMax,
      bodyBytesMax: limits.bodyBytesMax,
      passesMax: limits.passesMax,
    },
    upgrades: new Set((options.upgrades ?? ['websocket']).map((protocol) => protocol.toLowerCase())),
    via1: `1.1 ${options.name}`,
    via2: `2.0 ${options.name}`,
    open: new OpenStreams(inFlight),
    load,
    inFlight,
    stopping: false,
    finished: (exchange) => {
      observer.finished?.(exchange)
    },
  }
}

class OpenRelay implements Relay {
  readonly #core: RelayCore
  readonly #listeners: readonly Listener[]
  readonly #upstreams: Upstream[] = []
  readonly #sweep: NodeJS.Timeout
  #closing: Promise<void> | undefined

  constructor(core: RelayCore, listeners: readonly Listener[]) {
    this.#core = core
    this.#listeners = listeners
    this.#sweep = setInterval(() => core.open.cutEnded(core.clock.now()), core.timeouts.sweepMs).unref()
  }

  get addresses(): readonly BoundAddress[] {
    return this.#listeners.map((listener) => listener.address)
  }

  get inFlight(): number {
    return this.#core.open.size
  }

  get load(): SharedLoad {
    return this.#core.load
  }

  get limits(): RelayLimits {
    return this.#core.limits
  }

  openUpstream(options: UpstreamOptions): Upstream {
    const { timeouts, limits, load } = this.#core
    const { responseHeadBytesMax } = limits
    const upstream = openUpstream(options, { ...timeouts, responseHeadBytesMax, load })
    this.#upstreams.push(upstream)
    return upstream
  }

  cutStreams(test: (subject: unknown) => boolean): number {
    return this.#core.open.cutRevoked(test)
  }

  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  async #close(): Promise<void> {
    const core = this.#core
    core.stopping = true
    const closed = Promise.all(this.#listeners.map((listener) => listener.close()))
    await drained(core.open, core.timeouts.stopMs)
    core.open.cutAll()
    for (const listener of this.#listeners) listener.destroy()
    await closed
    clearInterval(this.#sweep)
    await Promise.all(this.#upstreams.map((upstream) => upstream.close('now')))
  }
}

// Stopping is rare and short: looking is simpler than being told.
async function drained(open: OpenStreams, timeoutMs: number): Promise<void> {
  const stepMs = 20
  for (let waitedMs = 0; open.size > 0 && waitedMs < timeoutMs; waitedMs += stepMs) {
    await new Promise((resolve) => {
      setTimeout(resolve, stepMs)
    })
  }
}
