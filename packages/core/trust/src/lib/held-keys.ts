import { equalBytes, type TrustDomain } from '@quantum-ip/base'
import { type Envelope, sha256 } from '@quantum-ip/crypto'
import { type Bundle, verifyBundle } from '../bundle.ts'
import type { SigningKeyRecord } from '../key-record.ts'
import { trustLimits } from '../payload-types.ts'
import { type RootDocument, type RootPins, verifyRootDocument } from '../root-document.ts'
import { TrustError } from '../trust-errors.ts'
import type { Verified } from '../verified.ts'
import { BundleIndex } from './bundle-index.ts'
import { checkDomain } from './domain.ts'
import { checkBundleFollows } from './forward.ts'
import { checkNotExpired } from './times.ts'

/** A verified document with the envelope that proves it again. */
export interface Held<Document> extends Verified<Document> {
  readonly envelope: Envelope
}

/** What {@link HeldKeys} starts from. */
export interface HeldKeysOptions {
  readonly td: TrustDomain
  readonly pins: RootPins
  readonly composites: boolean
}

/** A bundle that is to be held, and the time. */
export interface BundleToHold {
  readonly envelope: Envelope
  readonly timeS: number
}

/** What a new root document brought. */
export interface RootHeld {
  /** Where a bundle was held with it: the keys that are compromised by it and were not before. */
  readonly compromised?: readonly SigningKeyRecord[]
}

/** The root documents and the bundle of one trust domain, never backwards. */
export class HeldKeys {
  readonly #options: HeldKeysOptions
  readonly #roots: Held<RootDocument>[] = []
  #bundle: Held<Bundle> | undefined
  /** The bundle's keys; none while it is not signed by the bundle keys of the newest root document. */
  #index = new BundleIndex(noKeys)
  #isVoid = true
  readonly #compromised = new Set<string>()

  constructor(options: HeldKeysOptions) {
    this.#options = options
  }

  get roots(): readonly Held<RootDocument>[] {
    return this.#roots
  }

  /** The bundle, as long as it is in force. */
  get bundle(): Held<Bundle> | undefined {
    return this.#isVoid ? undefined : this.#bundle
  }

  get index(): BundleIndex {
    return this.#index
  }

  /**
   * Holds a root document, and with it the bundle that rests on it, where one is handed in and good: there is no moment at which the
   * one is held and the other is not. An expired root document is held: its successor follows, or nothing does.
   *
   * @returns `undefined` if it was not new; else what became compromised, where a bundle came with it
   */
  async applyRoot(envelope: Envelope, next?: BundleToHold): Promise<RootHeld | undefined> {
    const held = this.#roots.at(-1)
    if (isSame(held, envelope)) return undefined
    const trusted = held?.document ?? this.#options.pins
    const offered = await verifyRootDocument({ envelope, trusted, timeS: 'superseded' })
    checkDomain('root', this.#options.td, offered.document.td)
    if (this.#roots.length >= trustLimits.rootChainMax) {
      const details = { document: 'root', what: 'predecessors', limit: trustLimits.rootChainMax } as const
      throw new TrustError('QIP_TRUST_LIMIT_EXCEEDED', details)
    }
    const bundle = next && (await this.#bundleUnder(offered.document, next))
    // From here on nothing can fail or be seen in between.
    this.#roots.push({ ...offered, envelope })
    if (bundle !== undefined) return { compromised: this.#holdBundle(bundle) }
    this.#checkSigners(offered.document)
    return {}
  }

  // A bundle that is not good does not keep its root document out.
  async #bundleUnder(root: RootDocument, next: BundleToHold): Promise<Held<Bundle> | undefined> {
    try {
      return await this.#verifyNext(root, next)
    } catch (error) {
      if (error instanceof TrustError) return undefined
      throw error
    }
  }

  // A root document takes a bundle key out because it is not to be trusted any more: what it signed goes with it.
  #checkSigners({ bundleKeys, bundleThreshold }: RootDocument): void {
    const signers = new Set(this.#bundle?.signers)
    if (bundleKeys.filter(({ kid }) => signers.has(kid)).length >= bundleThreshold) return
    this.#isVoid = true
    this.#index = new BundleIndex(noKeys)
  }

  /** Holds a bundle. Returns the keys that are compromised by it and were not before; `undefined` if it was not new. */
  async applyBundle(envelope: Envelope, timeS: number): Promise<readonly SigningKeyRecord[] | undefined> {
    const isRepeated = isSame(this.#bundle, envelope)
    if (isRepeated && !this.#isVoid) return undefined
    return this.#holdBundle(await this.#verifyNext(this.#rootInForce(timeS), { envelope, timeS }))
  }

  async #verifyNext(root: RootDocument, { envelope, timeS }: BundleToHold): Promise<Held<Bundle>> {
    const { composites } = this.#options
    const offered = await verifyBundle({ envelope, root, timeS, composites })
    const { document } = offered
    if (this.#bundle !== undefined && !isSame(this.#bundle, envelope)) {
      checkBundleFollows(this.#bundle.document, document)
    }
    this.#checkCompromised(document)
    return { ...offered, envelope }
  }

  #holdBundle(bundle: Held<Bundle>): readonly SigningKeyRecord[] {
    this.#bundle = bundle
    this.#index = new BundleIndex(bundle.document)
    this.#isVoid = false
    return this.#noteCompromised(bundle.document)
  }

  // The bundle before may have left out a compromised key, so its states alone do not tell.
  #checkCompromised({ keys }: Bundle): void {
    for (const { key, state } of keys) {
      if (state === 'compromised' || !this.#compromised.has(key.kid)) continue
      const reason = 'was compromised, and nothing leads out of that'
      throw new TrustError('QIP_TRUST_KEY_CHANGED', { kid: key.kid, reason })
    }
  }

  #noteCompromised({ keys }: Bundle): readonly SigningKeyRecord[] {
    const fresh: SigningKeyRecord[] = []
    for (const record of keys) {
      if (record.state !== 'compromised' || this.#compromised.has(record.key.kid)) continue
      this.#compromised.add(record.key.kid)
      if (record.use !== 'qip-kem') fresh.push(record)
    }
    return fresh
  }

  #rootInForce(timeS: number): RootDocument {
    const root = this.#roots.at(-1)?.document
    if (root === undefined) {
      const details = { document: 'bundle', needs: 'root', sequence: 1 } as const
      throw new TrustError('QIP_TRUST_DOCUMENT_MISSING', details)
    }
    checkNotExpired('root', root.expires, timeS)
    return root
  }

  /** The bundle that vouches for a state now. */
  bundleInForce(timeS: number): Held<Bundle> {
    this.#rootInForce(timeS)
    const bundle = this.bundle
    if (bundle === undefined) {
      const sequence = (this.#bundle?.document.sequence ?? 0) + 1
      throw new TrustError('QIP_TRUST_DOCUMENT_MISSING', { document: 'state', needs: 'bundle', sequence })
    }
    checkNotExpired('bundle', bundle.document.expires, timeS)
    return bundle
  }
}

/** Whether an envelope holds the very bytes that are held already, and verified. */
export function isSame(held: { readonly sha256: Uint8Array } | undefined, { payload }: Envelope): boolean {
  return held !== undefined && equalBytes(held.sha256, sha256(payload))
}

const noKeys = { keys: [] }
