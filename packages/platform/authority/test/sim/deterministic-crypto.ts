import crypto, { createHash, createPublicKey, KeyObject } from 'node:crypto'
import { syncBuiltinESMExports } from 'node:module'

/**
 * How signatures are made in a simulation.
 *
 * - `real`: by OpenSSL, on the calling thread: what the thread pool finishes first must not decide what a plan does.
 * - `stand-in`: a hash of key and message in the shape of an ML-DSA signature. A thousand times cheaper, and worth nothing.
 */
export type SimulatedSignatures = 'real' | 'stand-in'

type Key = Parameters<typeof crypto.sign>[2]
type Done<Result> = (error: Error | null, result: Result) => void

const sizes: Readonly<Record<string, number>> = { 'ml-dsa-44': 2_420, 'ml-dsa-65': 3_309, 'ml-dsa-87': 4_627 }
const real = { sign: crypto.sign, verify: crypto.verify }
const identities = new WeakMap<KeyObject, Buffer>()
let kind: SimulatedSignatures = 'real'

/** Makes signatures deterministic in time in this whole process, which must be a test's own. */
export function simulateSignatures(which: SimulatedSignatures): void {
  kind = which
  crypto.sign = ((_algorithm: null, message: Uint8Array, key: Key, done?: Done<Buffer>) =>
    answer(signNow(message, key), done)) as typeof crypto.sign
  crypto.verify = ((_algorithm: null, message: Uint8Array, key: Key, ...rest: [Uint8Array, Done<boolean>?]) =>
    answer(verifyNow(message, key, rest[0]), rest[1])) as typeof crypto.verify
  syncBuiltinESMExports()
}

function answer<Result>(result: Result, done: Done<Result> | undefined): Result | undefined {
  if (done === undefined) return result
  queueMicrotask(() => done(null, result))
  return undefined
}

function signNow(message: Uint8Array, key: Key): Buffer {
  return standIn(message, key) ?? real.sign(null, message, key)
}

function verifyNow(message: Uint8Array, key: Key, signature: Uint8Array): boolean {
  const made = standIn(message, key)
  return made?.equals(signature) ?? real.verify(null, message, key as never, signature)
}

function standIn(message: Uint8Array, key: Key): Buffer | undefined {
  const object = key instanceof KeyObject ? key : (key as { key: KeyObject }).key
  const size = sizes[object.asymmetricKeyType ?? '']
  if (kind === 'real' || size === undefined) return undefined
  const signature = Buffer.alloc(size)
  createHash('sha256').update(identityOf(object)).update(message).digest().copy(signature)
  return signature
}

function identityOf(object: KeyObject): Buffer {
  let identity = identities.get(object)
  if (identity === undefined) {
    const key = object.type === 'private' ? createPublicKey(object) : object
    identity = key.export({ format: 'der', type: 'spki' })
    identities.set(object, identity)
  }
  return identity
}
