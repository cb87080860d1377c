import { base64, isQipError, type Json, parseBase64, parseJson, parseUtf8 } from '@quantum-ip/base'
import { type Envelope, formatEnvelope, parseEnvelope } from '@quantum-ip/crypto'
import { noteLimits, parseNote } from '@quantum-ip/log'
import { type AttestationEntry, encodeAttestationEntry, parseAttestationEntry } from './attestation-entry.ts'
import { AttestationError } from './attestation-errors.ts'
import { attestationLimits } from './attestation-limits.ts'
import { Reader } from './lib/reader.ts'

/** The media type of evidence files. */
export const evidenceMediaType = 'application/vnd.quantum-ip.evidence.v1+json'

/** Where an attestation stands in its log. */
export interface Receipt {
  /** The attestation log. */
  readonly origin: string
  readonly index: number
  /** The logged entry; its digests are checked against the envelope. */
  readonly entry: AttestationEntry
  /** Inclusion proof for the checkpoint's size, leaf's sibling first; hashes of 32 bytes. */
  readonly proof: readonly Uint8Array[]
  /** A signed note (c2sp.org/tlog-checkpoint), verbatim. */
  readonly checkpoint: string
}

/** An attestation with the proof that it was logged: verifies without asking anybody. */
export interface Evidence {
  readonly envelope: Envelope
  readonly receipt: Receipt
}

/**
 * The JSON text of an evidence file: always the same for the same evidence. Bytes are standard base64, as in DSSE and in
 * checkpoints:
 *
 * ```
 * { "dsse": { payload, payloadType, signatures },
 *   "receipt": { "origin": text, "index": integer, "entry": base64[106], "proof": [ base64[32]* ], "checkpoint": text } }
 * ```
 *
 * @throws {AttestationError} `QIP_ATTESTATION_EVIDENCE_MALFORMED` for a receipt that {@link parseEvidence} would refuse.
 */
export function buildEvidence({ envelope, receipt }: Evidence): string {
  const { origin, index, entry, proof, checkpoint } = checkReceipt(receipt)
  const text = `{"dsse":${formatEnvelope(envelope)},"receipt":${JSON.stringify({
    origin,
    index,
    entry: base64(encodeAttestationEntry(entry)),
    proof: proof.map((hash) => base64(hash)),
    checkpoint,
  })}}`
  return text
}

// What is typed is not parsed again to be checked: it would cost the registry a fifth of its time.
function checkReceipt(receipt: Receipt): Receipt {
  const { origin, index, proof, checkpoint } = receipt
  if (origin.length > 255) throw malformed('receipt.origin', 'is longer than 255 characters')
  if (!Number.isSafeInteger(index) || index < 0) throw malformed('receipt.index', 'is no index')
  if (proof.length > attestationLimits.proofHashesMax) throw malformed('receipt.proof', 'has too many hashes')
  if (proof.some(({ length }) => length !== 32))
    throw malformed('receipt.proof', 'has something that is no hash')
  if (checkpoint.length > noteLimits.bytesMax) throw malformed('receipt.checkpoint', 'is too long')
  return receipt
}

/**
 * Reads an evidence file. JSON with a name twice is refused, unknown members are ignored. Nothing is verified.
 *
 * @throws {AttestationError} `QIP_ATTESTATION_EVIDENCE_MALFORMED` · `QIP_ATTESTATION_ENTRY_MALFORMED`
 */
export function parseEvidence(input: string | Uint8Array): Evidence {
  const evidence = new Reader(parseStrict(input), '', malformed)
  const receipt = evidence.reader('receipt')
  const checkpoint = receipt.text('checkpoint', noteLimits.bytesMax)
  coded('receipt.checkpoint', () => parseNote(checkpoint))
  return {
    // Spelled again, so that DSSE's own parser and limits apply, not a second one.
    envelope: coded('dsse', () => parseEnvelope(JSON.stringify(evidence.reader('dsse').object))),
    receipt: {
      origin: receipt.text('origin', 255),
      index: receipt.integer('index'),
      entry: parseAttestationEntry(bytes(receipt.object['entry'], 'receipt.entry')),
      proof: receipt
        .array('proof', attestationLimits.proofHashesMax)
        .map((hash, at) => parseHash(hash, `receipt.proof[${at}]`)),
      checkpoint,
    },
  }
}

function parseStrict(input: string | Uint8Array): Json {
  const { evidenceBytesMax } = attestationLimits
  if (input.length > evidenceBytesMax) throw malformed('', `it is longer than ${evidenceBytesMax} bytes`)
  return coded('', () => parseJson(typeof input === 'string' ? input : parseUtf8(input)))
}

function parseHash(value: Json, path: string): Uint8Array {
  const hash = bytes(value, path)
  if (hash.length !== 32) throw malformed(path, 'is not a SHA-256 hash')
  return hash
}

function bytes(value: Json | undefined, path: string): Uint8Array {
  if (typeof value !== 'string') throw malformed(path, 'is not a text')
  return new Uint8Array(coded(path, () => parseBase64(value)))
}

function coded<Value>(path: string, parse: () => Value): Value {
  try {
    return parse()
  } catch (cause) {
    if (!isQipError(cause)) throw cause
    const details = { path, reason: cause.message }
    throw new AttestationError('QIP_ATTESTATION_EVIDENCE_MALFORMED', details, { cause })
  }
}

function malformed(path: string, reason: string): AttestationError {
  return new AttestationError('QIP_ATTESTATION_EVIDENCE_MALFORMED', { path, reason })
}
