import type { Clock, Random } from '@quantum-ip/base'
import { generatePrivateKey, type PrivateKey, sha256 } from '@quantum-ip/crypto'
import {
  chainHead,
  chainRevocation,
  headChainStart,
  type HeadRecord,
  pinsOf,
  revocationChainStart,
  type RevocationRecord,
  type RootDocument,
  signBundle,
  signRootDocument,
  type SigningKeyRecord,
  signState,
  TrustStore,
} from '@quantum-ip/trust'

/** What a state says of a log. */
export interface StatedLog {
  readonly size: number
  readonly hash: Uint8Array
}

/** The parts of a trust domain that {@link TestTrust} is made of. */
export interface TestTrustOptions {
  readonly td: string
  readonly clock: Clock
  readonly random: Random
  /** Of the token log, for the bundle. */
  readonly tokenKey: SigningKeyRecord
  /** The logs as they are at the moment, by origin. */
  readonly logs: () => ReadonlyMap<string, StatedLog>
}

const dayS = 86_400

/** Root document, bundle, feed and signed states of a test trust domain, and a store that follows them: real keys, real signatures. */
export class TestTrust {
  readonly store: TrustStore
  readonly #options: TestTrustOptions
  readonly #root: RootDocument
  readonly #rootSigners: readonly PrivateKey[]
  readonly #bundleSigner: PrivateKey
  readonly #feed: PrivateKey
  readonly #revocations: RevocationRecord[] = []
  #revocationChain: Uint8Array = revocationChainStart
  #headChain: Uint8Array = headChainStart
  #bundle = { sequence: 0, sha256: new Uint8Array(32) }
  #unlisted: HeadRecord[] = []
  #seq = 0

  constructor(options: TestTrustOptions) {
    const { td, random } = options
    this.#options = options
    this.#rootSigners = [generatePrivateKey('ML-DSA-87', random)]
    this.#bundleSigner = generatePrivateKey('ML-DSA-65', random)
    this.#feed = generatePrivateKey('ML-DSA-44', random)
    this.#root = {
      td,
      sequence: 1,
      expires: this.#nowS() + 3_650 * dayS,
      roots: this.#rootSigners.map(({ publicKey }) => publicKey),
      threshold: 1,
      bundleKeys: [this.#bundleSigner.publicKey],
      bundleThreshold: 1,
    }
    this.store = new TrustStore({ td, pins: pinsOf(this.#root) })
  }

  /** Signs and applies the root document, the bundle and the first state. */
  async open(): Promise<void> {
    const envelope = await signRootDocument(this.#root, this.#rootSigners)
    await this.store.applyRoot({ envelope, timeMs: this.#options.clock.now() })
    await this.publish()
  }

  /** Says with the next state that this head was signed. */
  list(head: HeadRecord): void {
    this.#unlisted.push(head)
  }

  /** Revokes, from the next state on. */
  revoke(record: Omit<RevocationRecord, 'epoch' | 'time'>): void {
    const whole = { ...record, epoch: this.#revocations.length + 1, time: this.#nowS() }
    this.#revocations.push(whole)
    this.#revocationChain = chainRevocation(this.#revocationChain, whole)
  }

  /** Signs and applies a state of this moment; and a bundle, where the one before is about to end. */
  async publish(): Promise<void> {
    const { clock, td } = this.#options
    if ((this.store.bundle?.expires ?? 0) < this.#nowS() + dayS) await this.#publishBundle()
    const heads = this.#unlisted
    this.#unlisted = []
    for (const head of heads) this.#headChain = chainHead(this.#headChain, head)
    this.#seq += 1
    const state = {
      td,
      seq: this.#seq,
      timeMs: clock.now(),
      bundle: this.#bundle,
      epoch: this.#revocations.length,
      revocations: this.#revocationChain,
      policies: new Map(),
      logs: this.#options.logs(),
      heads,
      headChain: this.#headChain,
    }
    const envelope = await signState(state, this.#feed)
    await this.store.applyState({ envelope, timeMs: clock.now(), revocations: this.#revocations })
  }

  async #publishBundle(): Promise<void> {
    const { clock, td, tokenKey } = this.#options
    const issued = this.#nowS()
    const sequence = this.#bundle.sequence + 1
    const feed: SigningKeyRecord = { use: 'qip-feed', key: this.#feed.publicKey, state: 'active' }
    const bundle = {
      td,
      sequence,
      refreshHintS: 60,
      keys: [tokenKey, feed],
      rootSequence: 1,
      issued,
      expires: issued + 7 * dayS,
    }
    const envelope = await signBundle(bundle, [this.#bundleSigner])
    this.#bundle = { sequence, sha256: new Uint8Array(sha256(envelope.payload)) }
    await this.store.applyBundle({ envelope, timeMs: clock.now() })
  }

  #nowS(): number {
    return Math.floor(this.#options.clock.now() / 1_000)
  }
}
