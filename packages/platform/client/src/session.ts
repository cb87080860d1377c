import { type Clock, isQipError, systemClock } from '@quantum-ip/base'
import { type Admission, createAdmission, renewAdmission } from './admission.ts'
import { ClientError } from './client-errors.ts'
import { backoffMs, jittered } from './lib/backoff.ts'
import type { AuthorityAnswer, AuthorityRequest, AuthorityStream, Requester } from './request.ts'
import { formatSessionProof } from './session-proof.ts'
import type { Transport } from './transport.ts'

/** What a session is opened with. */
export interface SessionOptions {
  readonly transport: Transport
  readonly admission: Admission
  /**
   * Admits again, when the session is about to end or the authority no longer knows it. What it throws reaches whoever sent the
   * request that needed it. Without it, a session that is about to end is renewed by itself ({@link renewAdmission}), and one that
   * the authority no longer knows is over.
   */
  readonly readmit?: () => Promise<Admission>
  /**
   * Renews it by itself when half of its life is over, and again until that succeeds: for who may ask nothing for long and must not be
   * forgotten, and outlives an authority that is away. Default: a session is renewed by the requests that it sends.
   */
  readonly standing?: boolean
  /** Default: the system's. The authority takes proofs that are at most 30 s off its own clock. */
  readonly clock?: Clock
}

/** An admitted identity that signs its requests. */
export interface Session extends Requester, Disposable {
  readonly transport: Transport
  /** The admission in use; it changes when the session is admitted again. */
  readonly admission: Admission
  /** Forgets its key. Requests fail from then on. */
  close(): void
}

/** Before its end, a session is renewed for so long already. */
const renewAheadMaxS = 60
/** A session that was made less than so long ago and is refused is not the problem. */
const freshMs = 5_000
/** A standing session is renewed no more often. */
const standingMs = 1_000
/** Past 2^31 ms a timer would fire at once; no session lasts longer than a day. */
const timerMaxMs = 86_400_000
const readmitBackoff = { firstMs: 1_000, maxMs: 30_000 }

/**
 * Opens a session: each request carries a proof that it comes from the holder of the session's key.
 *
 * Before the admission ends it is renewed, at most once at a time, and a request that is refused because the authority does not
 * know the session (any more) is sent again after a renewal.
 */
export function openSession(options: SessionOptions): Session {
  return new ProvedSession(options)
}

class ProvedSession implements Session {
  readonly transport: Transport
  readonly #readmit: (() => Promise<Admission>) | undefined
  readonly #clock: Clock
  #admission: Admission
  #admittedMs: number
  #renewing: Promise<Admission> | undefined
  #failures = 0
  #lastFailure: unknown
  #notBeforeMs = 0
  #closed = false
  readonly #isStanding: boolean
  #timer: NodeJS.Timeout | undefined

  constructor({ transport, admission, readmit, standing = false, clock = systemClock }: SessionOptions) {
    this.transport = transport
    this.#admission = admission
    this.#readmit = readmit
    this.#clock = clock
    // The time of admission is not known here; a refusal must not be taken for one of a fresh session.
    this.#admittedMs = Number.NEGATIVE_INFINITY
    this.#isStanding = standing
    this.#stand()
  }

  get admission(): Admission {
    return this.#admission
  }

  request(request: AuthorityRequest): Promise<AuthorityAnswer> {
    return this.#send(request, (proved) => this.transport.request(proved))
  }

  stream(request: AuthorityRequest): Promise<AuthorityStream> {
    return this.#send(request, (proved) => this.transport.stream(proved))
  }

  close(): void {
    this.#closed = true
    clearTimeout(this.#timer)
    this.#admission = createAdmission({ ...this.#admission, key: new Uint8Array() })
  }

  [Symbol.dispose](): void {
    this.close()
  }

  async #send<Value>(
    request: AuthorityRequest,
    send: (request: AuthorityRequest) => Promise<Value>,
  ): Promise<Value> {
    if (this.#closed) throw new ClientError('QIP_CLIENT_CLOSED', { what: 'session' })
    const admission = await this.#current()
    try {
      return await send(this.#prove(request, admission))
    } catch (error) {
      if (!isSessionRefused(error) || !this.#mayRenew(admission)) throw error
      return send(this.#prove(request, await this.#renew(admission)))
    }
  }

  #prove(request: AuthorityRequest, admission: Admission): AuthorityRequest {
    const { method, target } = request
    const authorize = () => formatSessionProof(admission, this.#clock.now(), { method, target })
    return { ...request, authorize }
  }

  /** The admission to prove with; one that has ended is renewed first, one that soon will be on the side. */
  async #current(): Promise<Admission> {
    const admission = this.#admission
    const leftMs = admission.expiresS * 1_000 - this.#clock.now()
    const aheadMs = Math.min(renewAheadMaxS * 1_000, this.#lifeMs() / 10)
    if (leftMs > aheadMs) return admission
    if (leftMs > 0) {
      this.#renew(admission).catch(() => undefined)
      return admission
    }
    return this.#readmit === undefined ? admission : this.#renew(admission)
  }

  /** Sets the timer of a standing session: at half of what is left of its life. */
  #stand(): void {
    if (!this.#isStanding || this.#closed) return
    clearTimeout(this.#timer)
    const leftMs = this.#admission.expiresS * 1_000 - this.#clock.now()
    const waitMs = Math.min(Math.max(jittered(leftMs / 2, 0.2), standingMs), timerMaxMs)
    this.#timer = setTimeout(() => {
      this.#renew(this.#admission)
        .catch(() => undefined)
        .finally(() => this.#stand())
    }, waitMs)
    this.#timer.unref()
  }

  #lifeMs(): number {
    return Math.max(0, this.#admission.expiresS * 1_000 - this.#admittedMs)
  }

  /** A session that was just made and is refused nevertheless, by a clock that is off, say, is not renewed again and again. */
  #mayRenew(refused: Admission): boolean {
    if (this.#readmit === undefined) return false
    return refused !== this.#admission || this.#clock.now() - this.#admittedMs >= freshMs
  }

  /** Renews `old`, unless somebody else did so meanwhile; waits for an attempt under way. */
  async #renew(old: Admission): Promise<Admission> {
    if (this.#admission !== old) return this.#admission
    // Whoever keeps asking while admission fails must not make the authority's bad day worse.
    if (this.#renewing === undefined && this.#clock.now() < this.#notBeforeMs) throw this.#lastFailure
    this.#renewing ??= this.#renewOnce().finally(() => {
      this.#renewing = undefined
    })
    return this.#renewing
  }

  async #renewOnce(): Promise<Admission> {
    const renew = this.#readmit ?? (() => renewAdmission(this.transport, this.#admission, this.#clock))
    try {
      this.#admission = await renew()
      this.#admittedMs = this.#clock.now()
      this.#failures = 0
      this.#notBeforeMs = 0
      this.#stand()
      return this.#admission
    } catch (error) {
      this.#failures++
      this.#lastFailure = error
      this.#notBeforeMs = this.#clock.now() + backoffMs(readmitBackoff, this.#failures)
      throw error
    }
  }
}

function isSessionRefused(error: unknown): boolean {
  if (!isQipError(error, 'QIP_CLIENT_AUTHORITY_REFUSED')) return false
  const { status, code } = error.details as { status: number; code: string }
  return status === 401 || code === 'QIP_AUTHORITY_SESSION_REFUSED'
}
