import { QipError, type ErrorTable } from '@quantum-ip/base'

/** The codes of `@quantum-ip/replay`. */
export interface ReplayErrorDetails {
  /** What names the Redis is not one URL, or several of one cluster. The text itself holds a password and is not repeated. */
  QIP_REPLAY_URL_INVALID: { readonly reason: string }
  /** A number of the options is out of its range. */
  QIP_REPLAY_OPTION_INVALID: { readonly option: string; readonly reason: string }
  /** Redis refuses the user, the password or a command that is needed. */
  QIP_REPLAY_DENIED: { readonly reason: string }
  /** Redis may evict keys: a one-time token could be forgotten and pass again. */
  QIP_REPLAY_EVICTS: { readonly policy: string }
  /** Redis lacks a command that is needed: it is older than 7.0. */
  QIP_REPLAY_TOO_OLD: { readonly version: string }
}

const replayErrors: ErrorTable<ReplayErrorDetails> = {
  QIP_REPLAY_URL_INVALID: {
    fault: 'caller',
    message: ({ reason }) => `not the address of a Redis: ${reason}`,
    next: () =>
      'write `redis://user:password@host:6379` or `rediss://…` for TLS; for a cluster one line for each of some nodes',
  },
  QIP_REPLAY_OPTION_INVALID: {
    fault: 'caller',
    message: ({ option, reason }) => `option \`${option}\` ${reason}`,
  },
  QIP_REPLAY_DENIED: {
    fault: 'denied',
    message: ({ reason }) => `Redis refuses: ${reason}`,
    next: () =>
      'check user and password; the user needs `~{qip:*` and `+eval +evalsha +info +get +set +time +client +hello +ping`, and `+cluster` for a cluster',
  },
  QIP_REPLAY_EVICTS: {
    fault: 'conflict',
    message: ({ policy }) => `Redis may evict keys: its \`maxmemory-policy\` is \`${policy}\``,
    next: () =>
      '`CONFIG SET maxmemory-policy noeviction` and the same in its configuration; a full Redis then refuses instead of forgetting',
  },
  QIP_REPLAY_TOO_OLD: {
    fault: 'conflict',
    message: ({ version }) => `Redis ${version} is too old`,
    next: () => 'use Redis 7.0 or later, or Valkey',
  },
}

/** Thrown when a shared replay guard is opened; never while a request is checked. */
export class ReplayError<Code extends keyof ReplayErrorDetails = keyof ReplayErrorDetails> extends QipError<
  ReplayErrorDetails,
  Code
> {
  constructor(code: Code, details: ReplayErrorDetails[Code], options?: ErrorOptions) {
    super(replayErrors, code, details, options)
  }
}
