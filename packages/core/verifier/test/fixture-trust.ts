import type { Random } from '@quantum-ip/base'
import { formatEnvelope, generatePrivateKey, type PrivateKey, sha256 } from '@quantum-ip/crypto'
import { seededRandom, simulatedClock, type SimulatedClock } from '@quantum-ip/testing'
import {
  chainHead,
  chainRevocation,
  headChainStart,
  type HeadRecord,
  type KeyRecord,
  type KeyState,
  pinsOf,
  revocationChainStart,
  type RevocationRecord,
  type RootDocument,
  type RootPins,
  signBundle,
  signRootDocument,
  signState,
  type SigningKeyRecord,
  type SigningUse,
  type State,
  TrustStore,
} from '@quantum-ip/trust'
import type { FixtureTree } from './fixture-log.ts'

/** A key of the domain with its private half. */
export interface TestKey {
  readonly signer: PrivateKey
  record: SigningKeyRecord
}

/** A revocation to come: its number, time and reason are filled in. */
export type TestRevocation = Omit<RevocationRecord, 'epoch' | 'time' | 'reason'> & {
  readonly reason?: string
}

const dayS = 86_400

/** The trust half of a test domain: root document, bundle, feed and states, and a store that follows them. */
export class FixtureTrust {
  readonly td: string
  readonly clock: SimulatedClock
  readonly random: Random
  readonly store: TrustStore
  readonly keys = new Map<string, TestKey>()
  /** Documents as they were signed, newest last: to hand out over real networks. */
  readonly published = { roots: [] as string[], bundles: [] as string[], states: [] as string[] }
  /** Every revocation so far. */
  readonly revocations: RevocationRecord[] = []
  /** Every head that a state listed. */
  readonly heads: HeadRecord[] = []
  /** Heads for the next state. */
  protected unlisted: HeadRecord[] = []
  readonly #root: RootDocument
  readonly #rootSigners: readonly PrivateKey[]
  readonly #bundleSigner: PrivateKey
  #bundle = { sequence: 0, sha256: new Uint8Array(32) }
  #seq = 0
  #headChain: Uint8Array = headChainStart
  #revocationChain: Uint8Array = revocationChainStart

  constructor(options: { td?: string; seed?: string; clock?: SimulatedClock }) {
    this.td = options.td ?? 'spiffe://acme.example'
    this.clock = options.clock ?? simulatedClock()
    this.random = seededRandom(options.seed ?? 'domain')
    this.#rootSigners = [this.#generate('ML-DSA-87'), this.#generate('ML-DSA-87')]
    this.#bundleSigner = this.#generate('ML-DSA-65')
    this.#root = {
      td: this.td,
      sequence: 1,
      expires: this.nowS() + 365 * dayS,
      roots: this.#rootSigners.map(({ publicKey }) => publicKey),
      threshold: 2,
      bundleKeys: [this.#bundleSigner.publicKey],
      bundleThreshold: 1,
    }
    this.store = new TrustStore({ td: this.td, pins: this.pins })
    this.addKey('feed', 'qip-feed', 'ML-DSA-44')
  }

  /** The name of the trust domain in origins. */
  get name(): string {
    return this.td.slice('spiffe://'.length)
  }

  /** What a verifier would be configured with. */
  get pins(): RootPins {
    return pinsOf(this.#root)
  }

  /** Every log, for the states. */
  protected logs(): readonly { readonly origin: string; readonly tree: FixtureTree }[] {
    return []
  }

  /** Signs and applies the root document, and the first bundle and state. */
  async open(): Promise<void> {
    const envelope = await signRootDocument(this.#root, this.#rootSigners)
    this.published.roots.push(formatEnvelope(envelope))
    await this.store.applyRoot({ envelope, timeMs: this.clock.now() })
    await this.publishBundle()
    await this.publish()
  }

  /** Draws a key and puts it into the next bundle. */
  addKey(
    name: string,
    use: SigningUse,
    alg: 'ML-DSA-44' | 'ML-DSA-65' | 'Ed25519',
    members: Partial<SigningKeyRecord> = {},
  ): TestKey {
    const signer = this.#generate(alg)
    const key: TestKey = { signer, record: { use, key: signer.publicKey, state: 'active', ...members } }
    this.keys.set(name, key)
    return key
  }

  /** The key of this name. */
  key(name: string): TestKey {
    const key = this.keys.get(name)
    if (key === undefined) throw new Error(`no key ${name}`)
    return key
  }

  /** Changes a key's state and publishes bundle and state. */
  async setKeyState(name: string, state: KeyState): Promise<void> {
    const key = this.key(name)
    key.record = { ...key.record, state }
    await this.publishBundle()
    await this.publish()
  }

  /** Signs and applies a bundle with the keys as they are. */
  async publishBundle(): Promise<void> {
    const keys: KeyRecord[] = [...this.keys.values()].map(({ record }) => record)
    const sequence = this.#bundle.sequence + 1
    const issued = this.nowS()
    const bundle = {
      td: this.td,
      sequence,
      refreshHintS: 60,
      keys,
      rootSequence: 1,
      issued,
      expires: issued + 7 * dayS,
    }
    const envelope = await signBundle(bundle, [this.#bundleSigner])
    this.#bundle = { sequence, sha256: sha256(envelope.payload) as Uint8Array<ArrayBuffer> }
    this.published.bundles.push(formatEnvelope(envelope))
    await this.store.applyBundle({ envelope, timeMs: this.clock.now() })
  }

  /** Signs a state with all that happened since the one before, and applies it. */
  async publish(): Promise<void> {
    const envelope = await signState(this.#nextState(), this.key('feed').signer)
    this.published.states.push(formatEnvelope(envelope))
    await this.store.applyState({ envelope, timeMs: this.clock.now(), revocations: this.revocations })
  }

  /** Adds a revocation and publishes the state that confirms it. Returns its epoch. */
  async revoke(record: TestRevocation): Promise<number> {
    const epoch = this.revocations.length + 1
    const whole: RevocationRecord = { reason: 'test', ...record, epoch, time: this.nowS() }
    this.revocations.push(whole)
    this.#revocationChain = chainRevocation(this.#revocationChain, whole)
    await this.publish()
    return epoch
  }

  /** Moves the clock, and publishes a state at the new time unless told not to. */
  async advance(ms: number, { publish = true }: { publish?: boolean } = {}): Promise<void> {
    this.clock.advance(ms)
    if (publish) await this.publish()
  }

  /** Leaves heads that were signed out of every state to come: what a thief of a key would do. */
  hideHeads(): void {
    this.unlisted = []
  }

  nowS(): number {
    return Math.floor(this.clock.now() / 1_000)
  }

  #nextState(): State {
    const heads = this.unlisted
    this.unlisted = []
    this.heads.push(...heads)
    for (const head of heads) this.#headChain = chainHead(this.#headChain, head)
    this.#seq += 1
    return {
      td: this.td,
      seq: this.#seq,
      timeMs: this.clock.now(),
      bundle: this.#bundle,
      epoch: this.revocations.length,
      revocations: this.#revocationChain,
      policies: new Map(),
      logs: new Map(this.logs().map(({ origin, tree }) => [origin, { size: tree.size, hash: tree.root() }])),
      heads,
      headChain: this.#headChain,
    }
  }

  #generate(alg: 'ML-DSA-44' | 'ML-DSA-65' | 'ML-DSA-87' | 'Ed25519'): PrivateKey {
    return generatePrivateKey(alg, this.random)
  }
}
