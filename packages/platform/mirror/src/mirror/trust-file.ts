import { hex, isQipError, type JsonObject, utf8 } from '@quantum-ip/base'
import { sha256 } from '@quantum-ip/crypto'
import { buildHead, buildRevocation, parseHead, parseRevocation, type TrustStore } from '@quantum-ip/trust'
import { MirrorError } from '../mirror-errors.ts'
import type { ObjectStore } from '../store/object-store.ts'
import type { BaseState, HeldTrust } from './trust-history.ts'

const path = 'trust.json'
const version = 1

interface FileJson {
  readonly version: number
  readonly roots: readonly (readonly [number, string])[]
  readonly bundle?: string
  readonly state?: string
  readonly bases: readonly BaseState[]
  readonly heads: readonly JsonObject[]
  readonly revocations: readonly JsonObject[]
}

/** Writes what is held, with its digest in front: a damaged file is told from a good one before anybody is given it. */
export async function writeTrustFile(store: ObjectStore, held: HeldTrust): Promise<void> {
  const { roots, bundle, state, bases, heads, revocations } = held
  const json = JSON.stringify({
    version,
    roots: [...roots],
    ...(bundle !== undefined && { bundle }),
    ...(state !== undefined && { state }),
    bases,
    heads: heads.map((head) => buildHead(head)),
    revocations: revocations.map((record) => buildRevocation(record)),
  })
  await store.write(path, utf8(`${hex(sha256(utf8(json)))}\n${json}`), 'json')
}

/**
 * Reads what was held, `undefined` if there is nothing.
 *
 * @throws {MirrorError} `QIP_MIRROR_FILE_MALFORMED` for a damaged file
 */
export async function readTrustFile(store: ObjectStore): Promise<HeldTrust | undefined> {
  const bytes = await store.read(path)
  if (bytes === undefined) return undefined
  const text = Buffer.from(bytes).toString('utf8')
  const json = text.slice(65)
  if (text.slice(0, 64) !== hex(sha256(utf8(json)))) throw malformed(store, 'its digest is another one')
  try {
    const file = JSON.parse(json) as FileJson
    if (file.version !== version) throw malformed(store, `it is of version ${file.version}`)
    return {
      roots: new Map(file.roots),
      bundle: file.bundle,
      state: file.state,
      bases: file.bases,
      heads: file.heads.map((head) => parseHead(head)),
      revocations: file.revocations.map((record) => parseRevocation(record)),
    }
  } catch (error) {
    if (isQipError(error, 'QIP_MIRROR_FILE_MALFORMED')) throw error
    throw malformed(store, 'it does not hold trust documents')
  }
}

/**
 * Puts what was held into a trust store, verified like documents from the network.
 *
 * @throws {TrustError} for what does not verify: what precedes it stays applied
 */
export async function applyHeldTrust(held: HeldTrust, store: TrustStore, timeMs: number): Promise<void> {
  const { roots, bundle, state, bases, heads, revocations } = held
  for (const [, envelope] of [...roots].sort(([a], [b]) => a - b)) {
    try {
      await store.applyRoot({ envelope, timeMs })
    } catch (error) {
      // Those before the pinned one are kept for others.
      if (!isQipError(error, 'QIP_TRUST_ROOT_NOT_PINNED')) throw error
    }
  }
  if (bundle === undefined) return
  await store.applyBundle({ envelope: bundle, timeMs })
  const [base] = bases
  if (base === undefined || state === undefined) return
  const isWhole = await applyBase(base, { store, revocations, timeMs })
  await store.applyState({ envelope: state, revocations, timeMs, ...(isWhole && { heads }) })
}

async function applyBase(
  { envelope }: BaseState,
  to: { readonly store: TrustStore; readonly revocations: HeldTrust['revocations']; readonly timeMs: number },
): Promise<boolean> {
  const { store, revocations, timeMs } = to
  try {
    await store.applyState({ envelope, revocations, timeMs })
    return true
  } catch (error) {
    // The feed key of an hour ago may have retired since: then only the heads are lost.
    if (isQipError(error, 'QIP_TRUST_SIGNATURES_INSUFFICIENT')) return false
    throw error
  }
}

function malformed(store: ObjectStore, reason: string): MirrorError {
  return new MirrorError('QIP_MIRROR_FILE_MALFORMED', { file: `${store.name}/${path}`, reason })
}
