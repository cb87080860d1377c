import { type ErrorTable, QipError } from '@quantum-ip/base'

/** The codes of `@quantum-ip/log`. */
export interface LogErrorDetails {
  /** An interval is not a valid subtree (Merkle Tree Certificates, section 4.1), or its bounds are not safe integers. */
  QIP_LOG_SUBTREE_INVALID: { readonly start: number; readonly end: number }
  /** An index, size or interval lies outside of the tree or subtree that it was used with. */
  QIP_LOG_OUT_OF_RANGE: {
    readonly what: 'index' | 'size' | 'interval'
    readonly value: number
    readonly end: number
  }
  /** A proof has the wrong number of hashes for its position, or a hash that is not 32 bytes. */
  QIP_LOG_PROOF_MALFORMED: { readonly reason: 'too short' | 'too long' | 'hash size' }
  /** A proof has the right shape and leads to another hash. */
  QIP_LOG_PROOF_MISMATCH: { readonly kind: 'inclusion' | 'consistency' }
  /** A text does not follow c2sp.org/signed-note. */
  QIP_LOG_NOTE_MALFORMED: { readonly reason: string }
  /** No known key signed the note. */
  QIP_LOG_NOTE_UNSIGNED: { readonly known: number }
  /** A known key's signature in a note, or on a subtree, does not hold. */
  QIP_LOG_SIGNATURE_INVALID: { readonly name: string; readonly type: string }
  /** A key cannot make or check this kind of signature. */
  QIP_LOG_KEY_UNSUITABLE: { readonly name: string; readonly reason: string }
  /** A note text does not follow c2sp.org/tlog-checkpoint. */
  QIP_LOG_CHECKPOINT_MALFORMED: { readonly line: number; readonly reason: string }
  /** A checkpoint is of another log than the one asked for. */
  QIP_LOG_ORIGIN_MISMATCH: { readonly expected: string; readonly actual: string }
  /** A checkpoint lacks the signature that its reader requires. */
  QIP_LOG_CHECKPOINT_UNSIGNED: { readonly origin: string; readonly required: string }
  /** Fewer witnesses cosigned a checkpoint than its reader requires. */
  QIP_LOG_QUORUM_MISSING: { readonly origin: string; readonly required: number; readonly found: number }
  /** A text does not follow c2sp.org/tlog-proof. */
  QIP_LOG_TLOG_PROOF_MALFORMED: { readonly line: number; readonly reason: string }
  /** A path does not follow c2sp.org/tlog-tiles. */
  QIP_LOG_TILE_PATH_MALFORMED: { readonly reason: string }
  /** Bytes are not an entry bundle of c2sp.org/tlog-tiles. */
  QIP_LOG_BUNDLE_MALFORMED: { readonly offset: number; readonly reason: string }
  /** An entry is longer than the 65,535 bytes of c2sp.org/tlog-tiles. */
  QIP_LOG_ENTRY_TOO_LONG: { readonly length: number; readonly max: number }
  /** What a log stores does not hash to its head. */
  QIP_LOG_CORRUPT: { readonly what: string }
  /** A tile or entry that the head requires is not there. */
  QIP_LOG_MISSING: { readonly what: string }
  /** One append is larger than a batch may be. */
  QIP_LOG_BATCH_TOO_LARGE: { readonly size: number; readonly max: number; readonly unit: 'entries' | 'bytes' }
  /** The log is full: an append would pass the size that the log may have. */
  QIP_LOG_FULL: { readonly size: number; readonly max: number }
  /** More entries wait to be appended than the queue may hold. */
  QIP_LOG_OVERLOADED: { readonly waiting: number; readonly max: number }
  /** Somebody else wrote to a log that has one writer. Nothing of this append is in the log. */
  QIP_LOG_OTHER_WRITER: { readonly origin: string; readonly size: number }
  /** The storage went back, or to a tree that does not extend the one this log acknowledged. */
  QIP_LOG_NOT_AN_EXTENSION: { readonly origin: string; readonly size: number; readonly found: number }
  /** The storage refused before anything was written. Nothing of this append is in the log. */
  QIP_LOG_STORAGE_UNAVAILABLE: { readonly origin: string }
  /** Whether the entries are in the log could not be found out. They hold this place, or none, and are never written twice. */
  QIP_LOG_OUTCOME_UNKNOWN: { readonly origin: string; readonly start: number; readonly end: number }
  /** The log was closed. */
  QIP_LOG_CLOSED: { readonly origin: string }
}

const logErrors: ErrorTable<LogErrorDetails> = {
  QIP_LOG_SUBTREE_INVALID: {
    fault: 'caller',
    message: ({ start, end }) => `\`[${start}, ${end})\` is not a valid subtree`,
    next: () => 'start must be a multiple of the smallest power of two that holds the interval',
  },
  QIP_LOG_OUT_OF_RANGE: {
    fault: 'caller',
    message: ({ what, value, end }) =>
      `${what} \`${value}\` is outside of the tree, which ends at \`${end}\``,
  },
  QIP_LOG_PROOF_MALFORMED: { fault: 'caller', message: ({ reason }) => `malformed proof: ${reason}` },
  QIP_LOG_PROOF_MISMATCH: { fault: 'caller', message: ({ kind }) => `${kind} proof leads to another hash` },
  QIP_LOG_NOTE_MALFORMED: { fault: 'caller', message: ({ reason }) => `not a signed note: ${reason}` },
  QIP_LOG_NOTE_UNSIGNED: {
    fault: 'denied',
    message: ({ known }) => `note has no signature by any of the ${known} known keys`,
  },
  QIP_LOG_SIGNATURE_INVALID: {
    fault: 'denied',
    message: ({ name, type }) => `signature of \`${name}\` (${type}) does not hold`,
  },
  QIP_LOG_KEY_UNSUITABLE: {
    fault: 'caller',
    message: ({ name, reason }) => `key of \`${short(name)}\` ${reason}`,
  },
  QIP_LOG_CHECKPOINT_MALFORMED: {
    fault: 'caller',
    message: ({ line, reason }) => `not a checkpoint: line ${line}: ${reason}`,
  },
  QIP_LOG_ORIGIN_MISMATCH: {
    fault: 'denied',
    message: ({ expected, actual }) => `checkpoint is of \`${short(actual)}\`, not of \`${short(expected)}\``,
  },
  QIP_LOG_CHECKPOINT_UNSIGNED: {
    fault: 'denied',
    message: ({ origin, required }) => `checkpoint of \`${origin}\` has no ${required} signature of the log`,
    next: () => 'check that the key of the log is the one that the trust bundle lists for this origin',
  },
  QIP_LOG_QUORUM_MISSING: {
    fault: 'denied',
    message: ({ origin, required, found }) =>
      `checkpoint of \`${origin}\` is cosigned by ${found} known witnesses of ${required} required`,
  },
  QIP_LOG_TLOG_PROOF_MALFORMED: {
    fault: 'caller',
    message: ({ line, reason }) => `not a tlog-proof: line ${line}: ${reason}`,
  },
  QIP_LOG_TILE_PATH_MALFORMED: { fault: 'caller', message: ({ reason }) => `not a tile path: ${reason}` },
  QIP_LOG_BUNDLE_MALFORMED: {
    fault: 'caller',
    message: ({ offset, reason }) => `not an entry bundle: byte ${offset}: ${reason}`,
  },
  QIP_LOG_ENTRY_TOO_LONG: {
    fault: 'caller',
    message: ({ length, max }) => `entry of ${length} bytes is longer than ${max}`,
  },
  QIP_LOG_CORRUPT: {
    fault: 'defect',
    message: ({ what }) => `stored log does not match its head: ${what}`,
    next: () => 'stop writing to this log, keep its files, and run `qip ledger verify`',
  },
  QIP_LOG_MISSING: { fault: 'defect', message: ({ what }) => `stored log lacks ${what}` },
  QIP_LOG_BATCH_TOO_LARGE: {
    fault: 'caller',
    message: ({ size, max, unit }) => `${size} ${unit} at once are more than the ${max} of a batch`,
    next: () => 'append in several calls',
  },
  QIP_LOG_FULL: {
    fault: 'conflict',
    message: ({ size, max }) => `log of ${size} entries would pass its last index ${max}`,
    next: () => 'open the next log',
  },
  QIP_LOG_OVERLOADED: {
    fault: 'busy',
    message: ({ waiting, max }) => `${waiting} entries wait to be appended, ${max} may`,
  },
  QIP_LOG_OTHER_WRITER: {
    fault: 'conflict',
    message: ({ origin, size }) => `another writer moved \`${origin}\` to size ${size}`,
    next: () => 'stop the other process; a log has one writer',
  },
  QIP_LOG_NOT_AN_EXTENSION: {
    fault: 'defect',
    message: ({ origin, size, found }) =>
      `storage of \`${origin}\` has ${found} entries that do not extend the ${size} acknowledged ones`,
    next: () => 'close this log for ever and open the next one',
  },
  QIP_LOG_STORAGE_UNAVAILABLE: {
    fault: 'busy',
    message: ({ origin }) => `storage of \`${origin}\` is unavailable`,
  },
  QIP_LOG_OUTCOME_UNKNOWN: {
    fault: 'busy',
    message: ({ origin, start, end }) => `unknown whether \`${origin}\` holds the entries [${start}, ${end})`,
    next: () => 'read the log before appending the same content again',
  },
  QIP_LOG_CLOSED: { fault: 'conflict', message: ({ origin }) => `log \`${origin}\` is closed` },
}

// A name comes from outside: enough of it to recognise, never a whole document.
function short(text: string): string {
  return text.length > 255 ? `${text.slice(0, 64)}…` : text
}

/** Thrown by `@quantum-ip/log`. */
export class LogError<Code extends keyof LogErrorDetails = keyof LogErrorDetails> extends QipError<
  LogErrorDetails,
  Code
> {
  constructor(code: Code, details: LogErrorDetails[Code], options?: ErrorOptions) {
    super(logErrors, code, details, options)
  }
}
