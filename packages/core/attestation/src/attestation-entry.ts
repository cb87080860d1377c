import { concatBytes, equalBytes, u64be, utf8 } from '@quantum-ip/base'
import { type Envelope, formatEnvelope, pae, sha256 } from '@quantum-ip/crypto'
import { AttestationError } from './attestation-errors.ts'

/** What the attestation log holds of one attestation: digests only, so that the envelope can be erased while the log stands. */
export interface AttestationEntry {
  /** When the registry took it in, milliseconds since 1970. */
  readonly timeMs: number
  /** SHA-256 of the artifact, 32 bytes. */
  readonly build: Uint8Array
  /** SHA-256 of the DSSE pre-authentication encoding, 32 bytes: what was signed. */
  readonly paeHash: Uint8Array
  /** SHA-256 of the envelope as it is stored, 32 bytes: of `formatEnvelope`'s text. */
  readonly envelopeHash: Uint8Array
}

/** Bytes of an entry. */
export const attestationEntrySize = 106

/** The entry for an envelope about `build`, taken in at `timeMs`. */
export function attestationEntry(envelope: Envelope, build: Uint8Array, timeMs: number): AttestationEntry {
  const { payload, payloadType } = envelope
  return {
    timeMs,
    build,
    paeHash: sha256(pae(payloadType, payload)),
    envelopeHash: sha256(utf8(formatEnvelope(envelope))),
  }
}

/**
 * The bytes that are logged:
 *
 * ```
 * entry = 01 (version) ‖ 10 (attestation) ‖ u64be time ‖ build[32] ‖ SHA-256(PAE) ‖ SHA-256(stored envelope)   ; 106 bytes
 * time  = milliseconds since 1970
 * ```
 *
 * @throws {TypeError} for hashes that are not 32 bytes.
 */
export function encodeAttestationEntry({
  timeMs,
  build,
  paeHash,
  envelopeHash,
}: AttestationEntry): Uint8Array {
  if ([build, paeHash, envelopeHash].some((hash) => hash.length !== 32))
    throw new TypeError('a hash has 32 bytes')
  return concatBytes(Uint8Array.of(0x01, 0x10), u64be(timeMs), build, paeHash, envelopeHash)
}

/**
 * Reads an entry of an attestation log.
 *
 * @throws {AttestationError} `QIP_ATTESTATION_ENTRY_MALFORMED` for another size, version or type, or a time beyond 2^53.
 */
export function parseAttestationEntry(bytes: Uint8Array): AttestationEntry {
  if (bytes.length !== attestationEntrySize)
    throw malformed(`it has ${bytes.length} bytes, not ${attestationEntrySize}`)
  if (bytes[0] !== 0x01) throw malformed('its version is unknown')
  if (bytes[1] !== 0x10) throw malformed('it is of another type')
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const timeMs = view.getUint32(2) * 0x1_0000_0000 + view.getUint32(6)
  if (!Number.isSafeInteger(timeMs)) throw malformed('its time is out of range')
  return {
    timeMs,
    build: new Uint8Array(bytes.subarray(10, 42)),
    paeHash: new Uint8Array(bytes.subarray(42, 74)),
    envelopeHash: new Uint8Array(bytes.subarray(74, 106)),
  }
}

function malformed(reason: string): AttestationError {
  return new AttestationError('QIP_ATTESTATION_ENTRY_MALFORMED', { reason })
}

/** What an entry has to be about. */
export interface EntrySubject {
  readonly entry: AttestationEntry
  readonly envelope: Envelope
  readonly build: Uint8Array
}

/**
 * Verifies that an entry is about this envelope and build, and returns it.
 *
 * @throws {AttestationError} `QIP_ATTESTATION_ENTRY_MISMATCH`
 */
export function verifyEntry({ entry, envelope, build }: EntrySubject): AttestationEntry {
  const expected = attestationEntry(envelope, build, entry.timeMs)
  if (!equalBytes(entry.build, expected.build)) throw mismatch('build')
  if (!equalBytes(entry.paeHash, expected.paeHash)) throw mismatch('signed bytes')
  if (!equalBytes(entry.envelopeHash, expected.envelopeHash)) throw mismatch('stored envelope')
  return entry
}

function mismatch(what: 'build' | 'signed bytes' | 'stored envelope'): AttestationError {
  return new AttestationError('QIP_ATTESTATION_ENTRY_MISMATCH', { what })
}
