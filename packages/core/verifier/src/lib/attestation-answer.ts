import { type Clock, isQipError } from '@quantum-ip/base'
import { type Builder, type VerifiedEvidence, verifyEvidence } from '@quantum-ip/attestation'
import { type NoteVerifierKey, noteKeyTypes, noteVerifierKey } from '@quantum-ip/crypto'
import type { SigningKeyRecord, TrustView } from '@quantum-ip/trust'
import type { VerifierObserver } from '../observer.ts'
import type { AttestationOptions } from '../verifier-options.ts'
import type { DeepResult } from './deep-result.ts'

/** An answer to check, and what to check it against. */
export interface AnswerToDecide {
  readonly evidence: string | Uint8Array
  readonly named: { readonly origin: string; readonly index: number }
  readonly trust: TrustView
  readonly clock: Clock
  readonly observer: VerifierObserver
  readonly stopwatch: () => number
  readonly options: Pick<AttestationOptions, 'slsaLevels' | 'witnesses'>
}

/**
 * What the evidence of an attestation proves, or `undefined` if it does not hold: the very entry that the token names, in a
 * tree that the log signed, about an envelope that every key of a builder's set signed.
 */
export async function decideAnswer(answer: AnswerToDecide): Promise<DeepResult | undefined> {
  const { named, trust, clock, observer, stopwatch } = answer
  const { witnesses } = answer.options
  const records = trust.logKeys(named.origin, named.index)
  const startedMs = stopwatch()
  let verified: VerifiedEvidence
  try {
    verified = await verifyEvidence({
      evidence: answer.evidence,
      origin: named.origin,
      logKeys: records.map((record) => logKey(record)),
      builders: buildersAt(answer),
      witnessKeys: witnesses?.keys,
      witnessesMin: witnesses?.quorum,
    })
  } catch (error) {
    if (isQipError(error)) return undefined
    throw error
  } finally {
    observer.crypto('verify_attestation', 'ML-DSA-65', stopwatch() - startedMs)
  }
  if (verified.index !== named.index) return undefined
  return {
    log: named.origin,
    index: named.index,
    facts: verified.facts,
    attestedMs: verified.entry.timeMs,
    checkedMs: clock.now(),
    builderKids: verified.signers.map(({ kid }) => kid),
    logKids: records.map(({ key }) => key.kid),
  }
}

// The builders of the bundle, each with the key sets that count at this place of the log.
function buildersAt({ trust, named, options }: AnswerToDecide): readonly Builder[] {
  const ids = new Set(trust.keysOf('qip-build').map(({ name }) => name ?? ''))
  return [...ids].map((id) => ({
    id,
    keySets: trust.builderKeySets(id, named.origin, named.index),
    slsaLevel: options.slsaLevels?.get(id) ?? 0,
  }))
}

function logKey({ name = '', key }: SigningKeyRecord): NoteVerifierKey {
  const type = key.alg === 'ML-DSA-44' ? noteKeyTypes.mlDsa44 : noteKeyTypes.ed25519
  return noteVerifierKey({ name, type, key })
}
