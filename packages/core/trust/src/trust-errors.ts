import { type ErrorTable, QipError } from '@quantum-ip/base'
import type { DocumentKind } from './payload-types.ts'

/** The codes of `@quantum-ip/trust`. */
export interface TrustErrorDetails {
  /** A document does not have the members, types or values of its format. */
  QIP_TRUST_DOCUMENT_MALFORMED: {
    readonly document: DocumentKind
    readonly path: string
    readonly reason: string
  }
  /** A document has more of something than is ever accepted. */
  QIP_TRUST_LIMIT_EXCEEDED: { readonly document: DocumentKind; readonly what: string; readonly limit: number }
  /** A document's `crit` lists a member that this version does not know. */
  QIP_TRUST_CRITICAL_UNKNOWN: { readonly document: DocumentKind; readonly member: string }
  /** A document speaks for another trust domain. */
  QIP_TRUST_DOMAIN_MISMATCH: {
    readonly document: DocumentKind
    readonly expected: string
    readonly found: string
  }
  /** Fewer keys of the right use and state signed a document than must. */
  QIP_TRUST_SIGNATURES_INSUFFICIENT: {
    readonly document: DocumentKind
    readonly signers: string
    readonly threshold: number
  }
  /** The first root document does not carry exactly the pinned root keys, or a lower threshold. */
  QIP_TRUST_ROOT_NOT_PINNED: { readonly reason: string }
  /** A document is past its `expires`. */
  QIP_TRUST_DOCUMENT_EXPIRED: {
    readonly document: DocumentKind
    readonly expiresS: number
    readonly timeS: number
  }
  /** A document is from the future by more than the clock tolerance. */
  QIP_TRUST_TIME_AHEAD: { readonly document: DocumentKind; readonly aheadMs: number }
  /** A document is older than the one that is held: a sequence, epoch, time, version or log size went back. */
  QIP_TRUST_WENT_BACKWARDS: {
    readonly document: DocumentKind
    readonly what: string
    readonly held: number
    readonly offered: number
  }
  /** Two different documents carry one sequence number. */
  QIP_TRUST_SEQUENCE_REUSED: {
    readonly document: DocumentKind
    readonly what: string
    readonly sequence: number
  }
  /** Two keys of one bundle have the same key ID. */
  QIP_TRUST_KEY_ID_COLLISION: { readonly keyId: string }
  /** A key does what none may: leaves `compromised` or `retired`, or changes its use, name or log. */
  QIP_TRUST_KEY_CHANGED: { readonly kid: string; readonly reason: string }
  /** A document rests on one that is not held yet. */
  QIP_TRUST_DOCUMENT_MISSING: {
    readonly document: DocumentKind
    readonly needs: DocumentKind
    readonly sequence: number
  }
  /** A state names another bundle than the one that is held under this sequence. */
  QIP_TRUST_BUNDLE_MISMATCH: { readonly sequence: number }
  /** Records are missing between the epoch that is held and the one that a state confirms. */
  QIP_TRUST_REVOCATIONS_MISSING: { readonly held: number; readonly needed: number }
  /** A state's heads do not follow on those of the state that is held, and the gap was not to be accepted. */
  QIP_TRUST_HEADS_MISSING: { readonly heldSeq: number; readonly offeredSeq: number }
  /** Records do not add up to the hash that the signed state confirms. */
  QIP_TRUST_CHAIN_MISMATCH: { readonly chain: 'revocations' | 'heads' }
  /** A state gives a log another hash at a size that it had before. */
  QIP_TRUST_LOG_FORKED: { readonly origin: string; readonly size: number }
  /** A snapshot is not one, or is cut off. */
  QIP_TRUST_SNAPSHOT_MALFORMED: { readonly reason: string }
  /** A state lists a head that differs from the one that is held for the same log, start and end. */
  QIP_TRUST_HEAD_CONFLICT: {
    readonly origin: string
    readonly start: number
    readonly end: number
    readonly held: string
    readonly listed: string
  }
}

const trustErrors: ErrorTable<TrustErrorDetails> = {
  QIP_TRUST_DOCUMENT_MALFORMED: {
    fault: 'caller',
    message: ({ document, path, reason }) =>
      path === '' ? `malformed ${document}: ${reason}` : `malformed ${document}: \`${path}\` ${reason}`,
  },
  QIP_TRUST_LIMIT_EXCEEDED: {
    fault: 'caller',
    message: ({ document, what, limit }) => `${document} has more than ${limit} ${what}`,
  },
  QIP_TRUST_CRITICAL_UNKNOWN: {
    fault: 'caller',
    message: ({ document, member }) =>
      `${document} demands that \`${member}\` is understood, which it is not`,
    next: () => 'update this software: the trust domain uses a newer format',
  },
  QIP_TRUST_DOMAIN_MISMATCH: {
    fault: 'denied',
    message: ({ document, expected, found }) => `${document} is for \`${found}\`, not for \`${expected}\``,
  },
  QIP_TRUST_SIGNATURES_INSUFFICIENT: {
    fault: 'denied',
    message: ({ document, signers, threshold }) =>
      `${document} is not signed by ${threshold} of the ${signers} that may sign it`,
  },
  QIP_TRUST_ROOT_NOT_PINNED: {
    fault: 'denied',
    message: ({ reason }) => `the root document is not the pinned one: ${reason}`,
    next: () => 'begin with the root document whose keys are pinned, then apply its successors in order',
  },
  QIP_TRUST_DOCUMENT_EXPIRED: {
    fault: 'denied',
    message: ({ document, expiresS, timeS }) => `${document} expired ${timeS - expiresS} s ago`,
    next: () => 'fetch the current one, and compare this clock with the authority’s',
  },
  QIP_TRUST_TIME_AHEAD: {
    fault: 'denied',
    message: ({ document, aheadMs }) => `${document} is ${aheadMs} ms ahead of this clock`,
    next: () => 'compare this clock with the authority’s',
  },
  QIP_TRUST_WENT_BACKWARDS: {
    fault: 'conflict',
    message: ({ document, what, held, offered }) =>
      `${document} goes backwards: ${what} ${offered} after ${held}`,
  },
  QIP_TRUST_SEQUENCE_REUSED: {
    fault: 'denied',
    message: ({ document, what, sequence }) =>
      `two different documents of kind ${document} have ${what} ${sequence}`,
    next: () =>
      'treat it as a sign of a stolen key or a restored authority: compare both with `qip keys list`',
  },
  QIP_TRUST_KEY_ID_COLLISION: {
    fault: 'caller',
    message: ({ keyId }) => `two keys of the bundle have the key ID \`${keyId}\``,
    next: () => 'generate one of the two anew',
  },
  QIP_TRUST_KEY_CHANGED: {
    fault: 'denied',
    message: ({ kid, reason }) => `key \`${kid}\` ${reason}`,
  },
  QIP_TRUST_DOCUMENT_MISSING: {
    fault: 'conflict',
    message: ({ document, needs, sequence }) =>
      `${document} rests on ${needs} ${sequence}, which is not held`,
    next: ({ needs }) => `fetch and apply the ${needs} first`,
  },
  QIP_TRUST_BUNDLE_MISMATCH: {
    fault: 'denied',
    message: ({ sequence }) => `the state names another bundle of sequence ${sequence} than the one held`,
  },
  QIP_TRUST_REVOCATIONS_MISSING: {
    fault: 'conflict',
    message: ({ held, needed }) => `revocation records ${held + 1} to ${needed} are missing`,
    next: ({ held }) => `fetch the records since epoch ${held} and apply the state with them`,
  },
  QIP_TRUST_HEADS_MISSING: {
    fault: 'conflict',
    message: ({ heldSeq, offeredSeq }) =>
      `heads listed between state ${heldSeq} and state ${offeredSeq} are missing`,
    next: ({ heldSeq }) => `fetch the heads listed since state ${heldSeq} and apply the state with them`,
  },
  QIP_TRUST_CHAIN_MISMATCH: {
    fault: 'denied',
    message: ({ chain }) => `the records do not add up to the ${chain} that the state confirms`,
  },
  QIP_TRUST_LOG_FORKED: {
    fault: 'denied',
    message: ({ origin, size }) => `log \`${origin}\` has two different hashes at size ${size}`,
  },
  QIP_TRUST_SNAPSHOT_MALFORMED: {
    fault: 'caller',
    message: ({ reason }) => `not a snapshot: ${reason}`,
    next: () => 'delete it: everything in it comes from the network again',
  },
  QIP_TRUST_HEAD_CONFLICT: {
    fault: 'denied',
    message: ({ origin, start, end }) => `two different heads of \`${origin}\` cover ${start} to ${end}`,
  },
}

/** Thrown by `@quantum-ip/trust`. */
export class TrustError<Code extends keyof TrustErrorDetails = keyof TrustErrorDetails> extends QipError<
  TrustErrorDetails,
  Code
> {
  constructor(code: Code, details: TrustErrorDetails[Code], options?: ErrorOptions) {
    super(trustErrors, code, details, options)
  }
}
