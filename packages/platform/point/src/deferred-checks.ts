import { type Clock, hex, systemClock, trustDomainName, trustDomainOf } from '@quantum-ip/base'
import type { DeepCheckOutcome, DeepOutcome, Verdict, Verifier } from '@quantum-ip/verifier'

/** An attestation that did not hold, found out after requests had passed on it. */
export interface DeferredProof {
  /** Origin and index of an attestation that the tokens name: their own, or that of a hop of their chain. */
  readonly log: string
  readonly index: number
  /** The build, SHA-256 in hexadecimal; absent where the token names none, and for hops. */
  readonly build: string | undefined
  /** Whose attestation it is: who called, or who did before. */
  readonly subject: string
  /** Decision IDs of the requests that had passed meanwhile, oldest first. */
  readonly decisions: readonly string[]
  /** How many more there were than are listed. */
  readonly more: number
  /** When the first of them passed, and when the proof was there; milliseconds. */
  readonly firstMs: number
  readonly provenMs: number
}

/** What {@link openDeferredChecks} works with. */
export interface DeferredChecksOptions {
  readonly verifier: Pick<Verifier, 'checkDeferred' | 'recheckAttestation'>
  /** Told of proof, once for each attestation and caller. */
  readonly onProven: (proof: DeferredProof) => void
  /** Counts what is dropped; the verifier counts the rest. */
  readonly observer?: { deepCheck(outcome: DeepCheckOutcome): void }
  /** Attestations that wait. Default 1,000. */
  readonly backlogMax?: number
  /** Checks at once. Default 4. */
  readonly atOnce?: number
  /** Milliseconds for which a check is tried again while nobody can be asked. Default 10 min. */
  readonly patienceMs?: number
  /** Milliseconds until it is tried again, at first. Default 1 s. */
  readonly retryMs?: number
  readonly clock?: Clock
}

/** A request that passed before its attestation was checked. */
export interface DeferredRequest {
  readonly verdict: Verdict
  /** Its decision ID. */
  readonly id: string | null
  /** Of its service: 0 is checked first. */
  readonly priority: number
}

/** Deep checks that are done after the answer. */
export interface DeferredChecks extends Disposable {
  /** Takes a request that passed. Never throws, never waits. */
  add(request: DeferredRequest): void
  /** Attestations that wait, or are being checked. */
  readonly backlog: number
  /** Attestations whose check was never done: too many waited, or nobody could be asked for too long. */
  readonly dropped: number
  /** What was proven lately, newest last. */
  readonly proven: readonly DeferredProof[]
}

interface Waiting {
  readonly key: string
  readonly verdict: Verdict
  readonly firstMs: number
  readonly decisions: string[]
  priority: number
  more: number
  attempts: number
  dueMs: number
  running: boolean
}

const decisionsMax = 1_000
const provenMax = 64
const retryMsMax = 30_000

/**
 * Opens the deep checks that are done after the answer: one for each attestation and caller, however many requests pass on it, those
 * for services that matter most first. Bounded: what does not fit is dropped, counted and visible.
 *
 * Only an answer is proof. While nobody can be asked the check waits, and is tried again.
 */
export function openDeferredChecks(options: DeferredChecksOptions): DeferredChecks {
  return new Backlog(options)
}

class Backlog implements DeferredChecks {
  readonly #options: DeferredChecksOptions
  readonly #clock: Clock
  readonly #waiting = new Map<string, Waiting>()
  readonly proven: DeferredProof[] = []
  #running = 0
  #timer: NodeJS.Timeout | undefined
  #closed = false
  dropped = 0

  constructor(options: DeferredChecksOptions) {
    this.#options = options
    this.#clock = options.clock ?? systemClock
  }

  get backlog(): number {
    return this.#waiting.size
  }

  add({ verdict, id, priority }: DeferredRequest): void {
    if (this.#closed || !isAttested(verdict)) return
    const key = keyOf(verdict)
    const known = this.#waiting.get(key)
    if (known === undefined && !this.#makeRoom(priority)) return
    const nowMs = this.#clock.now()
    const waiting = known ?? {
      key,
      verdict,
      firstMs: nowMs,
      decisions: [],
      priority,
      more: 0,
      attempts: 0,
      dueMs: nowMs,
      running: false,
    }
    waiting.priority = Math.min(waiting.priority, priority)
    if (id !== null && waiting.decisions.length < decisionsMax) waiting.decisions.push(id)
    else waiting.more++
    if (known !== undefined) return
    this.#waiting.set(key, waiting)
    this.#schedule()
  }

  [Symbol.dispose](): void {
    this.#closed = true
    clearTimeout(this.#timer)
  }

  // What matters less gives way, the newest of it; else the newcomer is dropped.
  #makeRoom(priority: number): boolean {
    if (this.#waiting.size < (this.#options.backlogMax ?? 1_000)) return true
    let least: Waiting | undefined
    for (const waiting of this.#waiting.values()) {
      if (!waiting.running && waiting.priority > priority && waiting.priority >= (least?.priority ?? 0))
        least = waiting
    }
    this.#drop(least)
    return least !== undefined
  }

  #drop(waiting: Waiting | undefined): void {
    if (waiting !== undefined) this.#waiting.delete(waiting.key)
    this.dropped++
    this.#options.observer?.deepCheck('dropped')
  }

  #schedule(): void {
    const nowMs = this.#clock.now()
    while (!this.#closed && this.#running < (this.#options.atOnce ?? 4)) {
      const next = this.#next(nowMs)
      if (next === undefined) return
      next.running = true
      this.#running++
      void this.#check(next)
    }
  }

  #next(nowMs: number): Waiting | undefined {
    let best: Waiting | undefined
    let soonestMs = Infinity
    for (const waiting of this.#waiting.values()) {
      if (waiting.running) continue
      if (waiting.dueMs > nowMs) soonestMs = Math.min(soonestMs, waiting.dueMs)
      else if (best === undefined || waiting.priority < best.priority) best = waiting
    }
    if (best === undefined && soonestMs < Infinity) {
      clearTimeout(this.#timer)
      this.#timer = setTimeout(() => this.#schedule(), Math.max(1, soonestMs - nowMs)).unref()
    }
    return best
  }

  async #check(waiting: Waiting): Promise<void> {
    let outcome: DeepOutcome = 'unavailable'
    try {
      outcome = await this.#options.verifier.checkDeferred(waiting.verdict)
    } catch {
      // A defect of ours is no proof against anybody.
    }
    const failed = outcome === 'failed' ? await this.#failedOf(waiting.verdict) : []
    this.#running--
    waiting.running = false
    if (outcome === 'unavailable') this.#postpone(waiting)
    else {
      this.#waiting.delete(waiting.key)
      for (const named of failed) this.#prove(waiting, named)
    }
    this.#schedule()
  }

  #postpone(waiting: Waiting): void {
    const { patienceMs = 600_000, retryMs = 1_000 } = this.#options
    const nowMs = this.#clock.now()
    if (nowMs - waiting.firstMs > patienceMs) {
      this.#drop(waiting)
      return
    }
    waiting.dueMs = nowMs + Math.min(retryMsMax, retryMs * 2 ** waiting.attempts)
    waiting.attempts++
  }

  /** Which of the attestations that a token names do not hold. Where each holds by itself, its own is not for what calls. */
  async #failedOf(verdict: Verdict): Promise<readonly NamedAttestation[]> {
    const named = namedBy(verdict)
    if (named.length === 1) return named
    const outcomes = await Promise.all(
      named.map(({ log, index }) =>
        this.#options.verifier
          .recheckAttestation({ origin: log, index })
          .catch((): DeepOutcome => 'unavailable'),
      ),
    )
    const failed = named.filter((_one, at) => outcomes[at] === 'failed')
    return failed.length > 0 ? failed : named.slice(0, 1)
  }

  #prove({ decisions, more, firstMs }: Waiting, named: NamedAttestation): void {
    const proof: DeferredProof = { ...named, decisions, more, firstMs, provenMs: this.#clock.now() }
    this.proven.push(proof)
    if (this.proven.length > provenMax) this.proven.shift()
    this.#options.onProven(proof)
  }
}

type NamedAttestation = Pick<DeferredProof, 'log' | 'index' | 'build' | 'subject'>

/** Whether a verdict names an attestation at all: its own, or that of a hop. */
export function isAttested({ attestation, chain = [] }: Pick<Verdict, 'attestation' | 'chain'>): boolean {
  return attestation !== undefined || chain.some(({ attestationLog }) => attestationLog > 0)
}

function namedBy({ attestation, build, identity = '', chain = [] }: Verdict): readonly NamedAttestation[] {
  const hops = chain.filter(({ attestationLog }) => attestationLog > 0)
  const ofHops = hops.map(({ sid, attestationLog, attestationIndex }) => {
    const log = `${trustDomainName(trustDomainOf(sid))}/attestations/${attestationLog}`
    return { log, index: attestationIndex, build: undefined, subject: sid }
  })
  if (attestation === undefined) return ofHops
  const { log, index } = attestation
  return [{ log, index, build: build && hex(build.digest), subject: identity }, ...ofHops]
}

function keyOf({ attestation, build, identity, chain = [] }: Verdict): string {
  const hops = chain.map((hop) => [hop.attestationLog, hop.attestationIndex])
  return JSON.stringify([
    attestation?.log,
    attestation?.index,
    build === undefined ? '' : hex(build.digest),
    identity,
    hops,
  ])
}
