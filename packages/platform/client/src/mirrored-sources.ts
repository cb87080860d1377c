import { parseEvidence, verifyEntry, encodeAttestationEntry } from '@quantum-ip/attestation'
import { type Clock, isQipError, systemClock } from '@quantum-ip/base'
import {
  leafHash,
  subtreeVerifierKey,
  verifyCheckpoint,
  verifyInclusion,
  verifySubtreeSignature,
} from '@quantum-ip/log'
import { parseStaple } from '@quantum-ip/token'
import { type TrustView, verifierKeyOf } from '@quantum-ip/trust'
import type {
  AttestationAnswer,
  AttestationSource,
  AttestationTuple,
  HeadSource,
  HeadTuple,
  WitnessPolicy,
} from '@quantum-ip/verifier'
import { FailFast } from './lib/fail-fast.ts'
import { unavailable } from './lib/failure.ts'
import { type Mirror, mirrorPlace } from './mirrors.ts'
import { attestationSource, headSource } from './sources.ts'

/** What falls back to mirrors. */
export interface MirroredOptions {
  readonly mirrors: readonly Mirror[]
  /** Answers of mirrors are checked against it before they count. */
  readonly trust: TrustView
  /** Default: the system's. */
  readonly clock?: Clock
}

/** {@link MirroredOptions} for attestations. */
export interface MirroredAttestations extends MirroredOptions {
  /** Witnesses that must have cosigned the checkpoint. */
  readonly witnesses?: WitnessPolicy | undefined
}

/**
 * Asks the authority for heads, and its mirrors while it is away. That a mirror knows no such head says nothing: it may withhold.
 */
export function mirroredHeadSource(authority: HeadSource, options: MirroredOptions): HeadSource {
  const sources = options.mirrors.map((mirror) => headSource(mirrorPlace(mirror).open))
  const asked = new Fallback(options.clock)
  return {
    fetchHead: (tuple) =>
      asked.ask(
        () => authority.fetchHead(tuple),
        sources.map((source) => async () => {
          const staple = await source.fetchHead(tuple)
          if (staple !== undefined) await verifyHead(staple, tuple, options.trust)
          return staple
        }),
      ),
  }
}

/**
 * Asks registry and ledger for attestations, and the mirrors while they are away.
 *
 * A mirror's answer counts only if it is exactly what the log holds at this place: under a checkpoint that the log signed, and the envelope
 * that the entry commits to. So whatever is wrong with it after that is wrong with the attestation, and no mirror can make a
 * good one look bad: it can only withhold it.
 */
export function mirroredAttestationSource(
  authority: AttestationSource,
  options: MirroredAttestations,
): AttestationSource {
  const sources = options.mirrors.map((mirror) => attestationSource(mirrorPlace(mirror).member))
  const asked = new Fallback(options.clock)
  return {
    fetchAttestation: (tuple) =>
      asked.ask(
        () => authority.fetchAttestation(tuple),
        sources.map((source) => async () => {
          const answer = await source.fetchAttestation(tuple)
          if (answer !== undefined) await verifyLogged(answer, tuple, options)
          return answer
        }),
      ),
  }
}

/** A forged head must not make a good token look bad: it is as good as none. */
async function verifyHead(
  staple: string,
  { origin, start, end }: HeadTuple,
  trust: TrustView,
): Promise<void> {
  const head = parseStaple(staple).find(
    (each) => each.origin === origin && each.start === start && each.end === end,
  )
  const cosigners = trust.cosigners(origin) ?? []
  if (head === undefined || cosigners.length === 0)
    throw unavailable('a head', 'a mirror answered with another one')
  for (const record of cosigners) {
    const key = subtreeVerifierKey(record.name ?? '', record.key)
    const sig = head.sigs.find(({ keyId }) => keyId === key.keyId)
    await verifySubtreeSignature(head, key, sig?.signature ?? new Uint8Array())
  }
}

async function verifyLogged(
  { evidence }: AttestationAnswer,
  { origin, index }: AttestationTuple,
  { trust, witnesses }: MirroredAttestations,
): Promise<void> {
  const { envelope, receipt } = parseEvidence(evidence)
  if (receipt.origin !== origin || receipt.index !== index)
    throw unavailable('an attestation', 'a mirror answered with another one')
  const { size, root } = await verifyCheckpoint({
    note: receipt.checkpoint,
    origin,
    logKeys: trust.logKeys(origin, index).map((record) => verifierKeyOf(record)),
    ...(witnesses !== undefined && { witnessKeys: witnesses.keys, witnessesMin: witnesses.quorum }),
  })
  const { entry, proof } = receipt
  verifyInclusion({ index, size, leafHash: leafHash(encodeAttestationEntry(entry)), proof, root })
  verifyEntry({ entry, envelope, build: entry.build })
}

/** Asks the authority, and others while it is away; for a moment after it failed, the others first. */
class Fallback {
  readonly #failFast: FailFast

  constructor(clock: Clock = systemClock) {
    this.#failFast = new FailFast(clock)
  }

  /** @throws what the authority failed with, where no mirror has an answer */
  async ask<Answer>(
    authority: () => Promise<Answer | undefined>,
    mirrors: readonly (() => Promise<Answer | undefined>)[],
  ): Promise<Answer | undefined> {
    try {
      return await this.#askAuthority(authority, mirrors.length > 0)
    } catch (error) {
      if (!isQipError(error, 'QIP_CLIENT_AUTHORITY_UNAVAILABLE')) throw error
      for (const mirror of mirrors) {
        const answer = await mirror().catch((failure: unknown) => {
          if (isQipError(failure)) return undefined
          throw failure
        })
        if (answer !== undefined) return answer
      }
      throw error
    }
  }

  async #askAuthority<Answer>(ask: () => Promise<Answer>, mayGoOn: boolean): Promise<Answer> {
    if (mayGoOn) this.#failFast.check()
    try {
      const answer = await ask()
      this.#failFast.succeeded()
      return answer
    } catch (error) {
      if (isQipError(error, 'QIP_CLIENT_AUTHORITY_UNAVAILABLE')) this.#failFast.failed(error)
      throw error
    }
  }
}
