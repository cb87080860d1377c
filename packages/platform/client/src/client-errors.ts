import { type ErrorTable, QipError } from '@quantum-ip/base'

/** The codes of `@quantum-ip/client`. */
export interface ClientErrorDetails {
  /** The authority could not be reached, or answered too late or unreadably. */
  QIP_CLIENT_AUTHORITY_UNAVAILABLE: {
    readonly operation: string
    readonly reason: string
    /** Where the authority itself said that it cannot (429, 5xx): its status. */
    readonly status?: number
    /** The code of its problem document. */
    readonly code?: string
    readonly next?: string
  }
  /** The authority said no. */
  QIP_CLIENT_AUTHORITY_REFUSED: {
    readonly operation: string
    readonly status: number
    readonly code: string
    readonly reason: string
    readonly next?: string
  }
  /** An address of an authority that is not taken: malformed, or plain HTTP to another machine. */
  QIP_CLIENT_ADDRESS_REFUSED: { readonly address: string; readonly reason: string }
  /** No channel to the authority that could be relied on: its certificate, TLS version or key exchange is not as demanded. */
  QIP_CLIENT_CHANNEL_REFUSED: { readonly address: string; readonly reason: string }
  /** The authority admitted, but its answer does not open with this client's key. */
  QIP_CLIENT_ADMISSION_UNREADABLE: { readonly reason: string }
  /** More callers wait for one-time tokens than a pool lets wait. */
  QIP_CLIENT_POOL_EXHAUSTED: { readonly waitersMax: number }
  /** Something was used after it was closed. */
  QIP_CLIENT_CLOSED: { readonly what: string }
  /** An `Authorization` field of the scheme `QIP-Session` that does not follow its grammar. */
  QIP_CLIENT_PROOF_MALFORMED: { readonly reason: string }
  /** A snapshot on disk is damaged, out of date or of another trust domain; it is not used. */
  QIP_CLIENT_SNAPSHOT_REFUSED: { readonly file: string; readonly reason: string }
  /** A policy that came from the authority is not what the trust state names, or nobody signed it who may. */
  QIP_CLIENT_POLICY_REFUSED: { readonly name: string; readonly reason: string }
  /** A snapshot could not be written. */
  QIP_CLIENT_SNAPSHOT_UNWRITABLE: { readonly file: string; readonly reason: string }
}

const clientErrors: ErrorTable<ClientErrorDetails> = {
  QIP_CLIENT_AUTHORITY_UNAVAILABLE: {
    fault: 'busy',
    message: ({ operation, reason }) => `the authority is unavailable for ${operation}: ${reason}`,
    next: ({ next }) =>
      next ??
      'check the authority with `curl <authority>/healthz`; what is held here goes on working until it ends',
  },
  QIP_CLIENT_AUTHORITY_REFUSED: {
    fault: 'denied',
    message: ({ operation, status, reason }) => `the authority refused ${operation} (${status}): ${reason}`,
    next: ({ next, code }) => next ?? `look the code ${code} up in the reference`,
  },
  QIP_CLIENT_ADDRESS_REFUSED: {
    fault: 'caller',
    message: ({ address, reason }) => `\`${address}\` is not taken as an authority's address: ${reason}`,
    next: () => 'write `https://host:port`, `http://127.0.0.1:port` or `unix:/path/to/socket`',
  },
  QIP_CLIENT_CHANNEL_REFUSED: {
    fault: 'denied',
    message: ({ address, reason }) => `no channel to \`${address}\` that can be relied on: ${reason}`,
    next: () =>
      'compare the certificate with the one that is pinned or trusted, and the TLS settings of both',
  },
  QIP_CLIENT_ADMISSION_UNREADABLE: {
    fault: 'denied',
    message: ({ reason }) => `the admission cannot be used: ${reason}`,
    next: () => 'admit again; if it happens twice, something between here and the authority changes answers',
  },
  QIP_CLIENT_POOL_EXHAUSTED: {
    fault: 'busy',
    message: ({ waitersMax }) => `${waitersMax} callers wait for one-time tokens already`,
    next: () =>
      'try again later; raise `lowWater` or `drawMax` of the pool if it happens in normal operation',
  },
  QIP_CLIENT_CLOSED: { fault: 'caller', message: ({ what }) => `the ${what} is closed` },
  QIP_CLIENT_PROOF_MALFORMED: {
    fault: 'denied',
    message: ({ reason }) => `not a session proof: ${reason}`,
  },
  QIP_CLIENT_SNAPSHOT_REFUSED: {
    fault: 'caller',
    message: ({ file, reason }) => `the snapshot \`${file}\` is not used: ${reason}`,
    next: () => 'nothing; the authority is asked instead',
  },
  QIP_CLIENT_POLICY_REFUSED: {
    fault: 'denied',
    message: ({ name, reason }) => `policy \`${name}\` is not taken: ${reason}`,
    next: () => 'the one held goes on; `qip policy status` shows who holds which',
  },
  QIP_CLIENT_SNAPSHOT_UNWRITABLE: {
    fault: 'busy',
    message: ({ file, reason }) => `the snapshot \`${file}\` was not written: ${reason}`,
    next: () => 'check space and permissions of its folder; until then a restart needs the authority',
  },
}

/** Thrown by the client. */
export class ClientError<Code extends keyof ClientErrorDetails = keyof ClientErrorDetails> extends QipError<
  ClientErrorDetails,
  Code
> {
  constructor(code: Code, details: ClientErrorDetails[Code], options?: ErrorOptions) {
    super(clientErrors, code, details, options)
  }
}
