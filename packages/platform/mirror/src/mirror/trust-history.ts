import { type TakenDocument } from '@quantum-ip/client'
import { parseEnvelope } from '@quantum-ip/crypto'
import { type HeadRecord, parseState, type RevocationRecord } from '@quantum-ip/trust'

/** A state that verifiers may start from, and how many heads of the history were listed up to it. */
export interface BaseState {
  readonly envelope: string
  readonly timeMs: number
  readonly at: number
}

/** All that a verifier needs to start, as it was signed. */
export interface HeldTrust {
  /** Root documents by sequence. */
  readonly roots: ReadonlyMap<number, string>
  readonly bundle: string | undefined
  /** The newest state. */
  readonly state: string | undefined
  readonly bases: readonly BaseState[]
  /** Those listed since the first base. */
  readonly heads: readonly HeadRecord[]
  readonly revocations: readonly RevocationRecord[]
}

/** What is answered to `GET /v1/history`. */
export interface ServedHistory {
  readonly base: string
  readonly heads: readonly HeadRecord[]
  readonly revocations: readonly RevocationRecord[]
  readonly state: string
  readonly bundle: string
}

const baseIntervalMs = 60_000
/** Verifiers start with the heads of an hour; twice that, for clocks and pauses. */
const keptMs = 2 * 3_600_000

/**
 * The trust documents that a store took, in the form in which others can be given them: what the authority's history is made from, kept by
 * whoever followed.
 */
export class TrustHistory implements HeldTrust {
  readonly roots = new Map<number, string>()
  bundle: string | undefined
  state: string | undefined
  bases: BaseState[] = []
  heads: HeadRecord[] = []
  revocations: RevocationRecord[] = []
  #timeMs = 0
  #epoch = 0
  /** Counts what was taken. */
  version = 0

  /** Takes what a trust store has verified, in the order in which it was taken. */
  take(document: TakenDocument): void {
    this.version++
    const envelope = textOf(document.envelope)
    switch (document.kind) {
      case 'root':
        this.roots.set(document.sequence, envelope)
        return
      case 'bundle':
        this.bundle = envelope
        return
      case 'base':
        this.#begin(envelope, document.revocations)
        return
      case 'state':
        this.#advance(envelope, document)
    }
  }

  /** Puts back what was kept over a restart. */
  restore(held: HeldTrust): void {
    for (const [sequence, envelope] of held.roots) this.roots.set(sequence, envelope)
    this.bundle = held.bundle
    this.bases = [...held.bases]
    this.heads = [...held.heads]
    this.revocations = [...held.revocations]
    if (held.state !== undefined) this.#become(held.state)
  }

  /** The history of `lifetimeMs`, or as much of it as there is; `undefined` before the first state. */
  serve(lifetimeMs: number): ServedHistory | undefined {
    const { state, bundle, bases } = this
    const base = bases.findLast(({ timeMs }) => timeMs <= this.#timeMs - lifetimeMs) ?? bases[0]
    if (state === undefined || bundle === undefined || base === undefined) return undefined
    return {
      base: base.envelope,
      heads: this.heads.slice(base.at),
      revocations: this.revocations.slice(0, this.#epoch),
      state,
      bundle,
    }
  }

  #begin(envelope: string, revocations: readonly RevocationRecord[]): void {
    this.#addRevocations(revocations)
    this.#become(envelope)
    this.heads = []
    this.bases = [{ envelope, timeMs: this.#timeMs, at: 0 }]
  }

  #advance(envelope: string, { heads, revocations }: Extract<TakenDocument, { kind: 'state' }>): void {
    // Heads that are not known leave a hole that no verifier could bridge: whoever starts, starts here.
    if (heads === undefined) return this.#begin(envelope, revocations)
    this.#addRevocations(revocations)
    this.#become(envelope)
    for (const head of heads) this.heads.push(head)
    const last = this.bases.at(-1)
    if (last === undefined || this.#timeMs - last.timeMs >= baseIntervalMs) {
      this.bases.push({ envelope, timeMs: this.#timeMs, at: this.heads.length })
      this.#forget()
    }
  }

  #become(envelope: string): void {
    const { timeMs, epoch } = parseState(parseEnvelope(envelope).payload)
    this.state = envelope
    this.#timeMs = timeMs
    this.#epoch = epoch
  }

  // Answers overlap, and may run ahead of the state that comes with them.
  #addRevocations(records: readonly RevocationRecord[]): void {
    for (const record of records) {
      if (record.epoch === (this.revocations.at(-1)?.epoch ?? 0) + 1) this.revocations.push(record)
    }
  }

  #forget(): void {
    const first = this.bases.findLastIndex(({ timeMs }) => timeMs <= this.#timeMs - keptMs)
    if (first <= 0) return
    const { at } = this.bases[first] as BaseState
    this.heads = this.heads.slice(at)
    this.bases = this.bases
      .slice(first)
      .map((base) => ({ envelope: base.envelope, timeMs: base.timeMs, at: base.at - at }))
  }
}

function textOf(envelope: Uint8Array | string): string {
  return typeof envelope === 'string' ? envelope : Buffer.from(envelope).toString('utf8')
}
