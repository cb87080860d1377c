import { type ErrorTable, QipError } from '@quantum-ip/base'

/** The codes of `@quantum-ip/authority`. */
export interface AuthorityErrorDetails {
  /** A row was not as the caller expected; nothing was written. */
  QIP_AUTHORITY_CONFLICT: { readonly what: string }
  /** The store cannot be read or written. Whether an interrupted write took place is not known. */
  QIP_AUTHORITY_STORE_UNAVAILABLE: { readonly reason: string; readonly next?: string }
  /** The database server would acknowledge what a standby does not have yet, and the configuration demands more. */
  QIP_AUTHORITY_STORE_NOT_SYNCHRONOUS: { readonly reason: string }
  /** The data was written by a newer program than this one. */
  QIP_AUTHORITY_DATA_VERSION: { readonly found: number; readonly wanted: number }
  /** The data could not be brought to the next version. It is whole, as it was. */
  QIP_AUTHORITY_MIGRATION_FAILED: { readonly from: number; readonly to: number; readonly reason: string }
  /** A backup is not whole, or not what it says. */
  QIP_AUTHORITY_BACKUP_DAMAGED: { readonly reason: string }
  /** A backup is not made as asked. */
  QIP_AUTHORITY_BACKUP_REFUSED: { readonly reason: string }
  /** A restore into the database did not come to its end. */
  QIP_AUTHORITY_RESTORE_UNFINISHED: { readonly since: string }
  /** There is data already where a backup should be restored to. */
  QIP_AUTHORITY_STORE_OCCUPIED: { readonly place: string }
  /** Another process uses the data directory. */
  QIP_AUTHORITY_DATA_LOCKED: { readonly folder: string }
  /** The data directory belongs to another trust domain. */
  QIP_AUTHORITY_DATA_FOREIGN: { readonly found: string; readonly wanted: string }
  /** A file of the data directory cannot be read, or is not what it should be. */
  QIP_AUTHORITY_FILE_DAMAGED: { readonly file: string; readonly reason: string; readonly next?: string }
  /** No such thing. */
  QIP_AUTHORITY_NOT_FOUND: { readonly what: string }
  /** A request asks for something that the rules of tokens do not allow. */
  QIP_AUTHORITY_TOKEN_REFUSED: { readonly reason: string; readonly next?: string }
  /** No session, an ended one, or a proof that does not hold. */
  QIP_AUTHORITY_SESSION_REFUSED: { readonly reason: string }
  /** Admission evidence that does not admit. */
  QIP_AUTHORITY_ADMISSION_REFUSED: { readonly reason: string; readonly next?: string }
  /** An attestation that is not accepted. */
  QIP_AUTHORITY_ATTESTATION_REFUSED: { readonly reason: string; readonly next?: string }
  /** A revocation that is not accepted. */
  QIP_AUTHORITY_REVOCATION_REFUSED: { readonly reason: string }
  /** A rotation that cannot be begun or taken back. */
  QIP_AUTHORITY_ROTATION_REFUSED: { readonly reason: string }
  /** A window that is not declared as asked. */
  QIP_AUTHORITY_WINDOW_REFUSED: { readonly reason: string; readonly next?: string }
  /** A policy that is not published, promoted or taken back as asked. */
  QIP_AUTHORITY_POLICY_REFUSED: { readonly reason: string; readonly next?: string }
  /** A root document that does not follow on the one in force, or under which the authority could sign nothing. */
  QIP_AUTHORITY_ROOT_REFUSED: { readonly reason: string; readonly next?: string }
  /** Something is already bound to that name. */
  QIP_AUTHORITY_ALREADY_BOUND: { readonly what: string }
  /** The authority is stopping, or its queue is full. */
  QIP_AUTHORITY_OVERLOADED: { readonly what: string }
  /** Of several instances none leads: another one is about to take over. */
  QIP_AUTHORITY_NO_LEADER: { readonly what: string }
  /** Something that must hold does not: a defect, after which nothing is signed any more. */
  QIP_AUTHORITY_INVARIANT: { readonly what: string }
}

const authorityErrors: ErrorTable<AuthorityErrorDetails> = {
  QIP_AUTHORITY_CONFLICT: {
    fault: 'conflict',
    message: ({ what }) => `${what} changed meanwhile`,
    next: () => 'look at it as it is now, with `show` or `list`, and decide anew',
  },
  QIP_AUTHORITY_STORE_UNAVAILABLE: {
    fault: 'busy',
    message: ({ reason }) => `the store is unavailable: ${reason}`,
    next: ({ next }) =>
      next ?? 'check free space and permissions of the data directory; nothing acknowledged is lost',
  },
  QIP_AUTHORITY_STORE_NOT_SYNCHRONOUS: {
    fault: 'caller',
    message: ({ reason }) => `the database server may lose what it acknowledges: ${reason}`,
    next: () =>
      'name a standby in `synchronous_standby_names` of the server, or set `store.postgres.requireSynchronous: false`',
  },
  QIP_AUTHORITY_DATA_VERSION: {
    fault: 'caller',
    message: ({ found, wanted }) =>
      `the data has version ${found}, and this program knows versions up to ${wanted}`,
    next: () =>
      'run the newer qip that wrote it; to go back for good, restore the backup that it made before its first start',
  },
  QIP_AUTHORITY_MIGRATION_FAILED: {
    fault: 'caller',
    message: ({ from, to, reason }) =>
      `the data could not go from version ${from} to ${to} and is as it was: ${reason}`,
    next: () =>
      'run the qip that was here before, which works with this data as ever; the backup made before the attempt lies beside it',
  },
  QIP_AUTHORITY_BACKUP_DAMAGED: {
    fault: 'caller',
    message: ({ reason }) => `the backup is not good: ${reason}`,
    next: () => 'take an older one; `qip backup verify` tells which ones are good',
  },
  QIP_AUTHORITY_BACKUP_REFUSED: {
    fault: 'caller',
    message: ({ reason }) => `no backup: ${reason}`,
    next: () => 'correct that and try again',
  },
  QIP_AUTHORITY_RESTORE_UNFINISHED: {
    fault: 'caller',
    message: ({ since }) => `a restore into this database began at ${since} and has not ended`,
    next: () => 'wait for it; if it failed, drop the database, create it again, and restore once more',
  },
  QIP_AUTHORITY_STORE_OCCUPIED: {
    fault: 'caller',
    message: ({ place }) => `there is data already in ${place}`,
    next: () =>
      'move it away first, whole: nothing is written over. Leave the folder of the high-water marks where it is',
  },
  QIP_AUTHORITY_DATA_LOCKED: {
    fault: 'caller',
    message: ({ folder }) => `another process uses the data directory \`${folder}\``,
    next: () => 'stop that process, or name another directory with `store: { sqlite: … }`',
  },
  QIP_AUTHORITY_DATA_FOREIGN: {
    fault: 'caller',
    message: ({ found, wanted }) => `the data directory belongs to \`${found}\`, not to \`${wanted}\``,
    next: () => 'correct `trustDomain`, or name another data directory',
  },
  QIP_AUTHORITY_FILE_DAMAGED: {
    fault: 'caller',
    message: ({ file, reason }) => `\`${file}\` is damaged: ${reason}`,
    next: ({ next }) => next ?? 'restore it from a backup, and leave the high-water folder as it is',
  },
  QIP_AUTHORITY_NOT_FOUND: {
    fault: 'caller',
    message: ({ what }) => `no such ${what}`,
    next: () => 'the `list` of the same command shows what there is; what is over, with `--all`',
  },
  QIP_AUTHORITY_TOKEN_REFUSED: {
    fault: 'caller',
    message: ({ reason }) => `no token: ${reason}`,
    next: ({ next }) => next ?? 'correct the request and send it again',
  },
  QIP_AUTHORITY_SESSION_REFUSED: {
    fault: 'denied',
    message: ({ reason }) => `session refused: ${reason}`,
    next: () => 'admit the workload again with `POST /v1/workloads`',
  },
  QIP_AUTHORITY_ADMISSION_REFUSED: {
    fault: 'denied',
    message: ({ reason }) => `not admitted: ${reason}`,
    next: ({ next }) =>
      next ?? 'look at `admission.rules` of the authority and at the evidence that was sent',
  },
  QIP_AUTHORITY_ATTESTATION_REFUSED: {
    fault: 'caller',
    message: ({ reason }) => `attestation refused: ${reason}`,
    next: ({ next }) => next ?? 'sign it with every key of its builder and send it again',
  },
  QIP_AUTHORITY_REVOCATION_REFUSED: {
    fault: 'caller',
    message: ({ reason }) => `revocation refused: ${reason}`,
  },
  QIP_AUTHORITY_ROTATION_REFUSED: {
    fault: 'conflict',
    message: ({ reason }) => `rotation refused: ${reason}`,
    next: () => '`qip keys list` shows the keys, `qip keys rotations` what became of earlier rotations',
  },
  QIP_AUTHORITY_WINDOW_REFUSED: {
    fault: 'caller',
    message: ({ reason }) => `no window: ${reason}`,
    next: ({ next }) =>
      next ??
      'a window begins now or up to 90 days ahead, and lasts 7 days at most: declare the next one after it',
  },
  QIP_AUTHORITY_POLICY_REFUSED: {
    fault: 'conflict',
    message: ({ reason }) => `policy refused: ${reason}`,
    next: ({ next }) => next ?? '`qip policy status` shows how things stand',
  },
  QIP_AUTHORITY_ROOT_REFUSED: {
    fault: 'caller',
    message: ({ reason }) => `root document refused: ${reason}`,
    next: ({ next }) =>
      next ?? 'the one in force holds on; begin the next one from it (`qip keys root fetch`)',
  },
  QIP_AUTHORITY_ALREADY_BOUND: { fault: 'conflict', message: ({ what }) => `${what} is already bound` },
  QIP_AUTHORITY_OVERLOADED: {
    fault: 'busy',
    message: ({ what }) => `overloaded: ${what}`,
    next: () => 'try again after the time that `Retry-After` names',
  },
  QIP_AUTHORITY_NO_LEADER: {
    fault: 'busy',
    message: ({ what }) => `no instance leads at the moment: ${what}`,
    next: () =>
      'try again after the time that `Retry-After` names: another instance takes over within seconds',
  },
  QIP_AUTHORITY_INVARIANT: { fault: 'defect', message: ({ what }) => `invariant violated: ${what}` },
}

/** Thrown by the authority. */
export class AuthorityError<
  Code extends keyof AuthorityErrorDetails = keyof AuthorityErrorDetails,
> extends QipError<AuthorityErrorDetails, Code> {
  constructor(code: Code, details: AuthorityErrorDetails[Code], options?: ErrorOptions) {
    super(authorityErrors, code, details, options)
  }
}
