import type { HeadRecord, TrustStore } from '@quantum-ip/trust'
import { HeadParts } from './lib/head-parts.ts'
import { type RevocationParts, revocationParts } from './lib/revocation-parts.ts'
import { issuers, keyIdText, statePart } from './lib/state-part.ts'

/** What has to be written, in this order; then what may go. */
export interface EdgeStateChanges {
  /** Texts by name, without `state`. */
  readonly parts: ReadonlyMap<string, string>
  /** The part `state`; absent as long as there is none. */
  readonly state: string | undefined
  /** Names of parts that nothing needs any more. */
  readonly gone: readonly string[]
}

/** What an {@link EdgeState} is made of. */
export interface EdgeStateOptions {
  readonly store: TrustStore
  /** Names the folder of the parts; letters, digits and hyphens. */
  readonly generation: string
  /** Age of the signed state from which on the script refuses with `trust_stale`. */
  readonly staleAfterMs: number
}

/**
 * What a trust store holds, as the small texts that the script reads. Follows the store: {@link changes} gives what is new since the
 * last call.
 */
export class EdgeState implements Disposable {
  readonly #options: EdgeStateOptions
  readonly #heads = new HeadParts()
  readonly #unsubscribe: () => void
  #news: HeadRecord[]
  #revocations: RevocationParts = { parts: new Map(), revoked: noRevocations, nextExpiryS: 0 }
  #epoch = -1

  constructor(options: EdgeStateOptions) {
    this.#options = options
    this.#news = [...options.store.listHeads()]
    this.#unsubscribe = options.store.subscribe({
      onHeads: (heads) => {
        this.#news.push(...heads)
      },
    })
  }

  get generation(): string {
    return this.#options.generation
  }

  /** What is new since the last call; everything at the first. Who cannot write it begins anew with another generation. */
  changes(): EdgeStateChanges {
    const { store, generation, staleAfterMs } = this.#options
    const timeS = Math.floor((store.state?.timeMs ?? 0) / 1_000)
    const parts = new Map<string, string>()
    const gone = this.#changeRevocations(parts, timeS)
    const keyIds = new Map(issuers(store).map((record) => [record.log ?? '', keyIdText(record)]))
    const news = this.#news
    this.#news = []
    for (const name of this.#heads.add(news, (origin) => keyIds.get(origin))) {
      parts.set(`${generation}/${name}`, this.#heads.text(name))
    }
    for (const name of this.#heads.prune(timeS)) gone.push(`${generation}/${name}`)
    const state = statePart(store, { generation, staleAfterMs, revoked: this.#revocations.revoked })
    return { parts, state, gone: gone.filter((name) => !parts.has(name)) }
  }

  [Symbol.dispose](): void {
    this.#unsubscribe()
  }

  #changeRevocations(parts: Map<string, string>, timeS: number): string[] {
    const { store, generation } = this.#options
    if (store.epoch === this.#epoch && timeS < this.#revocations.nextExpiryS) return []
    const before = this.#revocations.parts
    this.#revocations = revocationParts(store.revocationRecords, timeS)
    this.#epoch = store.epoch
    const now = this.#revocations.parts
    for (const [name, text] of now) if (before.get(name) !== text) parts.set(`${generation}/${name}`, text)
    return [...before.keys()].filter((name) => !now.has(name)).map((name) => `${generation}/${name}`)
  }
}

const noRevocations = { identity: false, build: false, token: false, range: false }
