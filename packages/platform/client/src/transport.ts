import { setMaxListeners } from 'node:events'
import type { Pool } from 'undici'
import { ClientError } from './client-errors.ts'
import { type Address, parseAddress } from './lib/address.ts'
import { Attempt } from './lib/attempt.ts'
import { backoffMs } from './lib/backoff.ts'
import { openPool } from './lib/connection-pool.ts'
import type { Failure } from './lib/failure.ts'
import { wait } from './lib/wait.ts'
import type { AuthorityAnswer, AuthorityRequest, AuthorityStream, Requester } from './request.ts'

/** How the authority is reached. */
export interface TransportOptions {
  /**
   * The authority's address, or several that are tried in order: `https://host:port`, `http://127.0.0.1:port`,
   * `unix:/path/to/socket`.
   */
  readonly url: string | readonly string[]
  /** Certificates, PEM, of who may have signed the authority's certificate. Default: the system's. */
  readonly ca?: string | readonly string[]
  /** SHA-256 of the authority's own certificate (DER), hex with or without colons. Then nothing else about it is checked. */
  readonly pinnedCertificate?: string
  /** Milliseconds for one attempt of one request. Default 10,000. */
  readonly timeoutMs?: number
  /** Takes no key exchange but X25519MLKEM768. Default: that is preferred, X25519 taken. */
  readonly requirePostQuantum?: boolean
  /** `anywhere` sends plain HTTP to other machines. Default `loopback`. */
  readonly plainHttp?: 'loopback' | 'anywhere'
  /** Attempts of an idempotent request at one address. Default 3. */
  readonly attemptsMax?: number
  /** Connections to one address at once. Default 64. */
  readonly connectionsMax?: number
}

/** A way to the authority. */
export interface Transport extends Requester, AsyncDisposable {
  /** The address that answered last; the first one before that. */
  readonly url: string
  /** Ends all connections. Requests under way fail. */
  close(): Promise<void>
}

interface Place {
  readonly address: Address
  readonly pool: Pool
  /** Not asked before this moment (of the monotonic clock), unless all others fail too. */
  avoidedUntilMs: number
}

interface Sending {
  readonly request: AuthorityRequest
  readonly signal: AbortSignal
  readonly mayRepeat: boolean
}

/** After a failed connection, the next address is asked first for so long. */
const avoidMs = 5_000
const retryBackoff = { firstMs: 100, maxMs: 2_000 }

/**
 * Opens a way to an authority: HTTP/1.1, over TLS 1.3 with X25519MLKEM768 preferred, or a Unix socket, or plain HTTP on this machine.
 *
 * No connection is made before the first request. Redirects are not followed.
 *
 * @throws {ClientError} `QIP_CLIENT_ADDRESS_REFUSED`
 */
export function openTransport(options: TransportOptions): Transport {
  return new HttpTransport(options)
}

class HttpTransport implements Transport {
  readonly #places: readonly Place[]
  readonly #timeoutMs: number
  readonly #attemptsMax: number
  readonly #closed = new AbortController()
  #last: Address

  constructor(options: TransportOptions) {
    const { timeoutMs = 10_000, attemptsMax = 3, connectionsMax = 64, requirePostQuantum = false } = options
    const urls = typeof options.url === 'string' ? [options.url] : options.url
    const addresses = urls.map((url) => parseAddress(url, options.plainHttp))
    const [first] = addresses
    if (first === undefined) throw new TypeError('a transport needs an address')
    // One listener for each request under way.
    setMaxListeners(0, this.#closed.signal)
    this.#timeoutMs = timeoutMs
    this.#attemptsMax = attemptsMax
    this.#last = first
    this.#places = addresses.map((address) => ({
      address,
      pool: openPool(address, { ...options, timeoutMs, connectionsMax, requirePostQuantum }),
      avoidedUntilMs: 0,
    }))
  }

  get url(): string {
    return this.#last.text
  }

  async request(request: AuthorityRequest): Promise<AuthorityAnswer> {
    const { idempotent: mayRepeat = request.method === 'GET' } = request
    const signal = this.#signalFor(request)
    for (let round = 1; ; round++) {
      const done = await this.#tryPlaces({ request, signal, mayRepeat }, (attempt) => attempt.answer())
      if ('value' in done) return done.value
      const { error, isPassing, retryAfterMs } = done.failure
      if (!mayRepeat || !isPassing || round >= this.#attemptsMax) throw error
      await wait(retryAfterMs ?? backoffMs(retryBackoff, round), signal)
      if (signal.aborted) throw error
    }
  }

  async stream(request: AuthorityRequest): Promise<AuthorityStream> {
    const signal = this.#signalFor(request)
    const done = await this.#tryPlaces({ request, signal, mayRepeat: true }, (attempt) => attempt.stream())
    if ('failure' in done) throw done.failure.error
    return done.value
  }

  async close(): Promise<void> {
    this.#closed.abort()
    await Promise.all(this.#places.map(({ pool }) => pool.destroy()))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  /** One attempt at each address, until one answers; what must not be sent twice goes on only if it was not sent. */
  async #tryPlaces<Value>(
    { request, signal, mayRepeat }: Sending,
    send: (attempt: Attempt) => Promise<Value>,
  ): Promise<{ value: Value } | { failure: Failure }> {
    let last: Failure | undefined
    for (const place of this.#inOrder()) {
      if (this.#closed.signal.aborted) throw new ClientError('QIP_CLIENT_CLOSED', { what: 'transport' })
      const { pool, address } = place
      const timeoutMs = request.timeoutMs ?? this.#timeoutMs
      const attempt = new Attempt({ pool, address, request, timeoutMs, signal })
      try {
        const value = await send(attempt)
        place.avoidedUntilMs = 0
        this.#last = address
        return { value }
      } catch (error) {
        if (this.#closed.signal.aborted) throw new ClientError('QIP_CLIENT_CLOSED', { what: 'transport' })
        last = attempt.failureOf(error)
        if (last.isPassing) place.avoidedUntilMs = performance.now() + avoidMs
        const mayGoOn = last.isUnsent || (last.isPassing && mayRepeat)
        if (signal.aborted || !mayGoOn) break
      }
    }
    if (last === undefined) throw new TypeError('a transport needs an address')
    return { failure: last }
  }

  #inOrder(): readonly Place[] {
    const now = performance.now()
    const isAvoided = (place: Place) => place.avoidedUntilMs > now
    return [
      ...this.#places.filter((place) => !isAvoided(place)),
      ...this.#places.filter((place) => isAvoided(place)),
    ]
  }

  #signalFor({ signal }: AuthorityRequest): AbortSignal {
    return signal === undefined ? this.#closed.signal : AbortSignal.any([signal, this.#closed.signal])
  }
}
