import { type NoteVerifierKey, sha256Latin1 } from '@quantum-ip/crypto'
import { concatBytes, isQipError } from '@quantum-ip/base'
import { subtreeVerifierKey, verifySubtreeSignature } from '@quantum-ip/log'
import type { StapledHead } from '@quantum-ip/token'
import { isAcceptable, type SigningKeyRecord, type TrustView } from '@quantum-ip/trust'
import type { VerifierObserver } from '../observer.ts'
import type { SignatureQueue } from './signature-queue.ts'
import { SingleFlight } from './single-flight.ts'
import { tupleKey } from './provisional-head.ts'

interface Cosignature {
  readonly record: SigningKeyRecord
  readonly signature: Uint8Array
}

/** What {@link HeadVerification} is made of. */
export interface HeadVerificationParts {
  readonly trust: TrustView
  readonly observer: VerifierObserver
  readonly stopwatch: () => number
  readonly queue: SignatureQueue
}

/** Verifies signed heads on the thread pool, each once however many ask. */
export class HeadVerification {
  readonly #trust: TrustView
  readonly #observer: VerifierObserver
  readonly #stopwatch: () => number
  readonly #queue: SignatureQueue
  readonly #flights = new SingleFlight<boolean | 'shed'>()
  readonly #keys = new WeakMap<SigningKeyRecord, NoteVerifierKey>()

  constructor({ trust, observer, stopwatch, queue }: HeadVerificationParts) {
    this.#trust = trust
    this.#observer = observer
    this.#stopwatch = stopwatch
    this.#queue = queue
  }

  /** Whether a head carries a signature of every cosigner that the bundle requires, each of a key that counts. */
  isComplete(head: StapledHead): boolean {
    return this.#cosignatures(head) !== undefined
  }

  /** Whether all those signatures hold; `shed` if too many wait. Other signatures on the head are not looked at. */
  holds(
    head: StapledHead,
    { keyId, place }: { readonly keyId: number; readonly place: number },
  ): Promise<boolean | 'shed'> {
    const cosignatures = this.#cosignatures(head)
    if (cosignatures === undefined) return Promise.resolve(false)
    // The signatures are in the name: a forged one must not answer for a good one that comes at the same time.
    const content = sha256Latin1(concatBytes(head.hash, ...cosignatures.map(({ signature }) => signature)))
    // And the place: who may not wait does not share the flight of one that may.
    return this.#flights.run(`${tupleKey({ ...head, keyId })} ${content} ${place}`, () =>
      this.#queue.run(place, () => this.#verify(head, cosignatures)),
    )
  }

  async #verify(head: StapledHead, cosignatures: readonly Cosignature[]): Promise<boolean> {
    const verified = cosignatures.map(({ record, signature }) => this.#verifyOne(head, record, signature))
    return (await Promise.all(verified)).every(Boolean)
  }

  async #verifyOne(head: StapledHead, record: SigningKeyRecord, signature: Uint8Array): Promise<boolean> {
    const startedMs = this.#stopwatch()
    try {
      await verifySubtreeSignature(head, this.#keyOf(record), signature)
      return true
    } catch (error) {
      if (isQipError(error)) return false
      throw error
    } finally {
      this.#observer.crypto('verify_head', record.key.alg, this.#stopwatch() - startedMs)
    }
  }

  #cosignatures(head: StapledHead): readonly Cosignature[] | undefined {
    const required = this.#trust.cosigners(head.origin)
    if (required === undefined) return undefined
    const found: Cosignature[] = []
    for (const record of required) {
      const sig = head.sigs.find(({ keyId }) => keyId === record.keyId)
      if (sig === undefined || !isAcceptable(record)) return undefined
      if (this.#trust.revocations.isKeyRevokedAt(record.key.kid, head.origin, head.end - 1)) return undefined
      found.push({ record, signature: sig.signature })
    }
    return found
  }

  #keyOf(record: SigningKeyRecord): NoteVerifierKey {
    const known = this.#keys.get(record)
    if (known !== undefined) return known
    const key = subtreeVerifierKey(record.name ?? '', record.key)
    this.#keys.set(record, key)
    return key
  }
}
