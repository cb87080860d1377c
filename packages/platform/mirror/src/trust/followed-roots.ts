import { type Clock, isQipError } from '@quantum-ip/base'
import type { Requester } from '@quantum-ip/client'
import { parseEnvelope } from '@quantum-ip/crypto'
import { parseRootDocument, trustLimits, type TrustStore } from '@quantum-ip/trust'

/** What root documents and bundle are followed with. */
export interface FollowedRootsOptions {
  readonly store: TrustStore
  readonly requester: Requester
  readonly clock: Clock
}

const documentBytesMax = 2_097_152

/** Keeps a store's root document and bundle up to date, by what the authority gives out to everybody. */
export class FollowedRoots {
  readonly #options: FollowedRootsOptions

  constructor(options: FollowedRootsOptions) {
    this.#options = options
  }

  /** @throws {ClientError} · {@link TrustError}: what was held goes on counting */
  async refresh(): Promise<void> {
    const { store, clock } = this.#options
    await this.#walk()
    const envelope = await this.#fetch('/v1/bundle')
    await store.applyBundle({ envelope, timeMs: clock.now() })
  }

  /** The newest root document; where those that are held do not vouch for it, the ones between. */
  async #walk(): Promise<void> {
    const { store } = this.#options
    const newest = await this.#fetch('/v1/root')
    const { sequence } = parseRootDocument(parseEnvelope(newest).payload)
    if (store.root !== undefined && sequence <= store.root.sequence) return
    try {
      await this.#apply(newest)
      return
    } catch (error) {
      if (!isQipError(error)) throw error
      const first = store.root === undefined ? 1 : store.root.sequence + 1
      for (let at = Math.max(first, sequence - trustLimits.rootChainMax); at < sequence; at++)
        await this.#applyFormer(at)
      if (store.root === undefined) throw error
    }
    await this.#apply(newest)
  }

  // Sequences leave numbers out, and before the pinned one all are strangers.
  async #applyFormer(sequence: number): Promise<void> {
    try {
      await this.#apply(await this.#fetch(`/v1/root?sequence=${sequence}`))
    } catch (error) {
      const isExpected =
        isQipError(error, 'QIP_TRUST_ROOT_NOT_PINNED') || isQipError(error, 'QIP_CLIENT_AUTHORITY_REFUSED')
      if (!isExpected) throw error
    }
  }

  async #apply(envelope: Uint8Array): Promise<void> {
    const { store, clock } = this.#options
    await store.applyRoot({ envelope, timeMs: clock.now() })
  }

  async #fetch(target: string): Promise<Uint8Array> {
    const operation = target.startsWith('/v1/root') ? 'the root document' : 'the bundle'
    const { requester } = this.#options
    return (await requester.request({ operation, method: 'GET', target, answerBytesMax: documentBytesMax }))
      .body
  }
}
