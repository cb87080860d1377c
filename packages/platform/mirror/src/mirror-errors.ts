import { type ErrorTable, QipError } from '@quantum-ip/base'

/** The codes of `@quantum-ip/mirror`. */
export interface MirrorErrorDetails {
  /** A directory or object store did not take or give what it was asked for. */
  QIP_MIRROR_STORE_UNAVAILABLE: { readonly store: string; readonly reason: string }
  /** What is published under this log's name is not a beginning of the log: nothing of it is touched. */
  QIP_MIRROR_PUBLISHED_OTHERWISE: { readonly origin: string; readonly store: string; readonly reason: string }
  /** Another process uses the folder. */
  QIP_MIRROR_FOLDER_LOCKED: { readonly folder: string }
  /** A file with a key, credentials or trust documents is not what it should be. */
  QIP_MIRROR_FILE_MALFORMED: { readonly file: string; readonly reason: string }
  /** The body of a witness request does not follow c2sp.org/tlog-witness. */
  QIP_MIRROR_SUBMISSION_MALFORMED: { readonly reason: string }
  /** No key of this log is known here. */
  QIP_MIRROR_LOG_UNKNOWN: { readonly origin: string }
  /** The submitted checkpoint has no signature by a key of its log. */
  QIP_MIRROR_CHECKPOINT_UNSIGNED: { readonly origin: string }
  /** The submitter's idea of the witnessed size is not the size that is held. */
  QIP_MIRROR_SIZE_CONFLICT: { readonly origin: string; readonly size: number }
  /** A signed checkpoint does not extend the one that is held. Both are kept. */
  QIP_MIRROR_FORK: {
    readonly origin: string
    readonly held: number
    readonly offered: number
    readonly proven: boolean
  }
  /** A witness did not answer as c2sp.org/tlog-witness has it, or its cosignature does not hold. */
  QIP_MIRROR_WITNESS_REFUSED: { readonly witness: string; readonly status: number; readonly reason: string }
  /** A witness could not be reached in time. */
  QIP_MIRROR_WITNESS_UNAVAILABLE: { readonly witness: string; readonly reason: string }
  /** Fewer witnesses cosigned a checkpoint than were asked for. */
  QIP_MIRROR_QUORUM_MISSING: { readonly origin: string; readonly required: number; readonly found: number }
  /** The mirror does not hold what it was asked for: that says nothing about whether it exists. */
  QIP_MIRROR_NOT_HELD: { readonly what: string }
  /** There is no such thing, as far as the mirror can know. */
  QIP_MIRROR_NOT_FOUND: { readonly what: string }
  /** What a server gave out for a log does not hash to its signed checkpoint. */
  QIP_MIRROR_TILE_FORGED: { readonly origin: string; readonly what: string }
}

const mirrorErrors: ErrorTable<MirrorErrorDetails> = {
  QIP_MIRROR_STORE_UNAVAILABLE: {
    fault: 'busy',
    message: ({ store, reason }) => `\`${store}\` cannot be read or written: ${reason}`,
    next: () => 'check that it is there, has space, and that these credentials may write to it',
  },
  QIP_MIRROR_PUBLISHED_OTHERWISE: {
    fault: 'conflict',
    message: ({ origin, store, reason }) =>
      `what \`${store}\` holds as \`${origin}\` is another log: ${reason}`,
    next: () =>
      'keep what is there as evidence and publish to an empty directory or prefix; after a restored backup the next log is open',
  },
  QIP_MIRROR_FOLDER_LOCKED: {
    fault: 'conflict',
    message: ({ folder }) => `another process uses \`${folder}\``,
    next: () => 'stop it, or give this one a folder of its own',
  },
  QIP_MIRROR_FILE_MALFORMED: {
    fault: 'caller',
    message: ({ file, reason }) => `\`${file}\` cannot be used: ${reason}`,
  },
  QIP_MIRROR_SUBMISSION_MALFORMED: {
    fault: 'caller',
    message: ({ reason }) => `not a submission of c2sp.org/tlog-witness: ${reason}`,
  },
  QIP_MIRROR_LOG_UNKNOWN: {
    fault: 'caller',
    message: ({ origin }) => `no key of the log \`${short(origin)}\` is known here`,
    next: () => 'name its key with --log-key, or follow the trust domain that it belongs to',
  },
  QIP_MIRROR_CHECKPOINT_UNSIGNED: {
    fault: 'denied',
    message: ({ origin }) => `the checkpoint of \`${short(origin)}\` is not signed by a key of that log`,
  },
  QIP_MIRROR_SIZE_CONFLICT: {
    fault: 'conflict',
    message: ({ origin, size }) => `the witnessed size of \`${short(origin)}\` is ${size}`,
    next: () => 'prove consistency from that size on',
  },
  QIP_MIRROR_FORK: {
    fault: 'denied',
    message: ({ origin, held, offered, proven }) =>
      proven
        ? `\`${short(origin)}\` has signed two different trees of ${offered} entries`
        : `nothing proves that the tree of ${offered} entries of \`${short(origin)}\` extends the ${held} that are held`,
    next: () =>
      'both signed checkpoints are kept: `qip ledger witness report` or `qip ledger mirror --report` shows them',
  },
  QIP_MIRROR_WITNESS_REFUSED: {
    fault: 'denied',
    message: ({ witness, status, reason }) => `witness \`${witness}\` refused (${status}): ${reason}`,
    next: () => 'ask its operator; 422 says that it was shown another view of this log',
  },
  QIP_MIRROR_WITNESS_UNAVAILABLE: {
    fault: 'busy',
    message: ({ witness, reason }) => `witness \`${witness}\` cannot be reached: ${reason}`,
    next: () => 'the next checkpoint is submitted to it again',
  },
  QIP_MIRROR_QUORUM_MISSING: {
    fault: 'busy',
    message: ({ origin, required, found }) =>
      `the checkpoint of \`${origin}\` is cosigned by ${found} witnesses of ${required} required`,
    next: () => 'start the witnesses that are away, or lower `ledger.quorum`',
  },
  QIP_MIRROR_NOT_HELD: {
    fault: 'busy',
    message: ({ what }) => `${what} is not held by this mirror`,
    next: () =>
      'ask the authority, or another mirror; that it is not here says nothing about whether it exists',
  },
  QIP_MIRROR_NOT_FOUND: { fault: 'caller', message: ({ what }) => `there is no ${what}` },
  QIP_MIRROR_TILE_FORGED: {
    fault: 'denied',
    message: ({ origin, what }) => `${what} of \`${origin}\` does not hash to its signed checkpoint`,
    next: () => 'nothing of it was kept; it is fetched again',
  },
}

// An origin comes from outside: enough of it to recognise.
function short(text: string): string {
  return text.length > 255 ? `${text.slice(0, 64)}…` : text
}

/** Thrown by `@quantum-ip/mirror`. */
export class MirrorError<Code extends keyof MirrorErrorDetails = keyof MirrorErrorDetails> extends QipError<
  MirrorErrorDetails,
  Code
> {
  constructor(code: Code, details: MirrorErrorDetails[Code], options?: ErrorOptions) {
    super(mirrorErrors, code, details, options)
  }
}
