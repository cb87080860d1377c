import { isQipError } from '@quantum-ip/base'
import { type NoteVerifierKey, noteKeyTypes } from '@quantum-ip/crypto'
import { type VerifiedCheckpoint, verifyCheckpoint } from '@quantum-ip/log'
import { AttestationError } from './attestation-errors.ts'
import type { Builder } from './builder.ts'
import { type Evidence, parseEvidence } from './evidence.ts'
import { type AdmissionCheck, type VerifiedAttestation, verifyAttestation } from './verify-attestation.ts'

/** Who is trusted to vouch for a log. */
export interface LogTrust {
  /** The log's own keys, out of the bundle. Only one of type 06 (ML-DSA-44) suffices. */
  readonly logKeys: readonly NoteVerifierKey[]
  /** Witnesses, and how many of them must have cosigned beside the log. */
  readonly witnessKeys?: readonly NoteVerifierKey[] | undefined
  readonly witnessesMin?: number | undefined
}

/** Evidence to verify, and what to rely on. */
export interface EvidenceCheck extends LogTrust {
  /** The file's text or bytes, or parsed. */
  readonly evidence: string | Uint8Array | Evidence
  /** SHA-256 of the artifact. Absent: the build that the entry names, whichever it is. */
  readonly build?: Uint8Array | undefined
  readonly builders: readonly Builder[]
  /** The log that it must be of. Absent: any that `logKeys` are for. */
  readonly origin?: string | undefined
  readonly admission?: AdmissionCheck | undefined
}

/** What evidence proves, and as of when. */
export interface VerifiedEvidence extends VerifiedAttestation {
  readonly origin: string
  readonly index: number
  readonly asOf: {
    /** The tree in which the entry was proven. */
    readonly treeSize: number
    readonly root: Uint8Array
    /**
     * The latest time at which the log or a witness says that it saw this tree, seconds since 1970. `undefined` where no signature
     * that was verified says so. What was revoked later, this file cannot know.
     */
    readonly checkpointTimeS: number | undefined
    /** The names that vouch for the tree. The proof is as good as their keys were at that time. */
    readonly vouchers: readonly string[]
  }
}

/**
 * Verifies an evidence file without asking anybody: the checkpoint with the log's ML-DSA-44 signature (Ed25519 lines are extra, never
 * sufficient) and the witnesses asked for, then everything {@link verifyAttestation} checks.
 *
 * It holds as long as the log's key, or the witnesses' quorum, does; `asOf` says from when it is.
 *
 * @throws {AttestationError} `QIP_ATTESTATION_EVIDENCE_MALFORMED` · `QIP_ATTESTATION_CHECKPOINT_UNTRUSTED`, and as
 *   {@link verifyAttestation}
 */
export async function verifyEvidence(check: EvidenceCheck): Promise<VerifiedEvidence> {
  const { envelope, receipt } = isParsed(check.evidence) ? check.evidence : parseEvidence(check.evidence)
  const { index, entry, proof } = receipt
  const checkpoint = await verifyVouched(receipt.checkpoint, check.origin ?? receipt.origin, check)
  const { origin, size, root } = checkpoint
  if (receipt.origin !== origin) throw untrusted(receipt.origin)
  const attestation = await verifyAttestation({
    envelope,
    entry,
    inclusion: { index, size, proof, root, origin },
    build: check.build ?? entry.build,
    builders: check.builders,
    admission: check.admission,
  })
  return { ...attestation, origin, index, asOf: asOf(checkpoint) }
}

function isParsed(evidence: string | Uint8Array | Evidence): evidence is Evidence {
  return typeof evidence !== 'string' && !(evidence instanceof Uint8Array)
}

async function verifyVouched(
  note: string,
  origin: string,
  { logKeys, witnessKeys = [], witnessesMin = 0 }: LogTrust,
): Promise<VerifiedCheckpoint> {
  // A log's key has the log's name: another log's key of this trust domain does not speak for this one.
  const own = logKeys.filter(({ name }) => name === origin)
  if (!own.some(({ type }) => type === noteKeyTypes.mlDsa44)) throw untrusted(origin)
  try {
    return await verifyCheckpoint({ note, origin, logKeys: own, witnessKeys, witnessesMin })
  } catch (cause) {
    if (!isQipError(cause)) throw cause
    throw untrusted(origin, { cause })
  }
}

function untrusted(origin: string, options?: ErrorOptions): AttestationError {
  return new AttestationError('QIP_ATTESTATION_CHECKPOINT_UNTRUSTED', { origin }, options)
}

function asOf({ size, root, signatures }: VerifiedCheckpoint): VerifiedEvidence['asOf'] {
  const latest = Math.max(0, ...signatures.map(({ timestampS }) => timestampS))
  return {
    treeSize: size,
    root,
    checkpointTimeS: latest === 0 ? undefined : latest,
    vouchers: [...new Set(signatures.map(({ key }) => key.name))],
  }
}
