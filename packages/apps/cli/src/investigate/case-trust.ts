import { isQipError, type Json, parseJson } from '@quantum-ip/base'
import { parseEnvelope } from '@quantum-ip/crypto'
import {
  parseRevocation,
  parseState,
  type RevocationRecord,
  type RootPins,
  TrustStore,
} from '@quantum-ip/trust'
import { isObject } from '../lib/json.ts'
import type { Case, PartKind } from './case-file.ts'

/** What the signed documents of a case amount to, from the pinned root keys on. */
export interface CaseTrust {
  readonly store: TrustStore
  readonly revocations: readonly RevocationRecord[]
  /** When the newest signed state of the case was signed, milliseconds since 1970: all that is proven is as of then. */
  readonly asOfMs: number
}

/**
 * Verifies the signed documents of a case: root documents from the pins on, bundle, state, and the revocations that the state
 * confirms. Judged as of the moment at which the state was signed, since bundles end after a week and cases are read for years.
 *
 * @throws {TrustError} · {@link CryptoError} · {@link BaseError} for documents that do not hold
 */
export async function verifyCaseTrust(investigated: Case, pins: RootPins): Promise<CaseTrust> {
  const store = new TrustStore({ td: investigated.trustDomain, pins, composites: true })
  const state = textsOf(investigated, 'state').at(-1) ?? ''
  const asOfMs = parseState(parseEnvelope(state).payload).timeMs
  await applyRoots(store, textsOf(investigated, 'root'), asOfMs)
  for (const bundle of textsOf(investigated, 'bundle'))
    await store.applyBundle({ envelope: bundle, timeMs: asOfMs })
  const revocations = textsOf(investigated, 'revocations').flatMap((text) => readRevocations(parseJson(text)))
  await store.applyState({ envelope: state, timeMs: asOfMs, revocations })
  return { store, revocations: revocations.filter(({ epoch }) => epoch <= store.epoch), asOfMs }
}

/** The texts of the parts of a kind, in their order. */
export function textsOf({ parts }: Case, kind: PartKind): readonly string[] {
  return parts.filter((part) => part.kind === kind).map(({ text }) => text)
}

// The newest may have the pinned keys itself; otherwise the documents before it lead from them.
async function applyRoots(store: TrustStore, roots: readonly string[], timeMs: number): Promise<void> {
  const newest = roots.at(-1) ?? ''
  let refused: unknown
  for (const envelope of [newest, ...roots]) {
    try {
      await store.applyRoot({ envelope, timeMs })
    } catch (error) {
      const isBefore = isQipError(error, 'QIP_TRUST_WENT_BACKWARDS')
      if (!isBefore && !isQipError(error, 'QIP_TRUST_ROOT_NOT_PINNED')) throw error
      refused ??= error
    }
  }
  if (store.root === undefined) throw refused
  await store.applyRoot({ envelope: newest, timeMs })
}

function readRevocations(json: Json): readonly RevocationRecord[] {
  if (!Array.isArray(json)) return []
  return json.flatMap((record) => (isObject(record) ? [parseRevocation(record)] : []))
}
