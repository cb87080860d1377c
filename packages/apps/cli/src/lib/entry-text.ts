import { attestationEntrySize, parseAttestationEntry } from '@quantum-ip/attestation'
import { equalBytes, hex, type JsonObject } from '@quantum-ip/base'
import { nullEntry, parseTokenEntry, tokenEntryBytes } from '@quantum-ip/token'
import type { Cell } from './output.ts'
import { formatMoment } from './times.ts'

/** An entry of one of our logs, decoded; of another log its bytes. */
export interface DecodedEntry {
  readonly json: JsonObject
  readonly rows: readonly (readonly [name: string, value: Cell])[]
}

/** Decodes a log entry by its version and type: null entry, token, attestation. Anything else is shown as it is. */
export function decodeEntry(entry: Uint8Array, nowMs: number): DecodedEntry {
  if (equalBytes(entry, nullEntry())) {
    return { json: { kind: 'null' }, rows: [['kind', 'null entry: what every log begins with']] }
  }
  if (entry.length === tokenEntryBytes && entry[0] === 1 && (entry[1] === 1 || entry[1] === 2)) {
    return tokenRows(entry, nowMs)
  }
  if (entry.length === attestationEntrySize && entry[0] === 1 && entry[1] === 0x10)
    return attestationRows(entry, nowMs)
  return {
    json: { kind: 'unknown', bytes: hex(entry) },
    rows: [
      ['kind', `not one of ours, ${entry.length} bytes`],
      ['bytes', entry.length > 256 ? `${hex(entry.subarray(0, 256))}…` : hex(entry)],
    ],
  }
}

function tokenRows(bytes: Uint8Array, nowMs: number): DecodedEntry {
  const entry = parseTokenEntry(bytes)
  const { form = 'merkle', exp = 0, digest = new Uint8Array() } = entry ?? {}
  return {
    json: { kind: 'token', form, expires: exp, digest: hex(digest) },
    rows: [
      ['kind', form === 'jwt' ? 'token in the JWT form' : 'Merkle token'],
      ['expires', formatMoment(exp * 1_000, nowMs)],
      ['digest', `${hex(digest)}  (SHA-256 of its ${form === 'jwt' ? 'payload' : 'claims'})`],
    ],
  }
}

function attestationRows(bytes: Uint8Array, nowMs: number): DecodedEntry {
  const { timeMs, build, paeHash, envelopeHash } = parseAttestationEntry(bytes)
  return {
    json: {
      kind: 'attestation',
      timeMs,
      build: hex(build),
      signed: hex(paeHash),
      envelope: hex(envelopeHash),
    },
    rows: [
      ['kind', 'attestation'],
      ['time', formatMoment(timeMs, nowMs)],
      ['build', `sha256:${hex(build)}`],
      ['signed', `${hex(paeHash)}  (SHA-256 of what was signed)`],
      ['envelope', `${hex(envelopeHash)}  (SHA-256 of the envelope as it is stored)`],
    ],
  }
}
