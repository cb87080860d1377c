import { type ErrorTable, QipError } from '@quantum-ip/base'

/** The codes of the command line. */
export interface CliErrorDetails {
  /** The command line is not one that this command takes. */
  QIP_CLI_USAGE: { readonly reason: string; readonly next?: string | undefined }
  /** A command that does not exist. */
  QIP_CLI_COMMAND_UNKNOWN: { readonly name: string; readonly nearest: string | undefined }
  /** A file that was named cannot be read. */
  QIP_CLI_FILE_UNREADABLE: { readonly path: string; readonly what: string; readonly reason: string }
  /** A file cannot be written. */
  QIP_CLI_FILE_UNWRITABLE: { readonly path: string; readonly what: string; readonly reason: string }
  /** A file does not hold what it should. */
  QIP_CLI_FILE_MALFORMED: { readonly path: string; readonly what: string; readonly reason: string }
  /** A line of input is longer than is read. */
  QIP_CLI_LINE_TOO_LONG: { readonly bytesMax: number }
  /** A line of input is not one JSON object. */
  QIP_CLI_LINE_MALFORMED: { readonly reason: string }
  /** `qip conformance` does not know the operation. */
  QIP_CLI_OPERATION_UNKNOWN: { readonly operation: string; readonly nearest: string | undefined }
  /** A field that an operation needs is not there. */
  QIP_CLI_FIELD_MISSING: { readonly field: string }
  /** A field is not of the form that its operation takes. */
  QIP_CLI_FIELD_INVALID: { readonly field: string; readonly expected: string }
  /** A log that is read from a directory or URL lacks a file, or somebody else than a log answers there. */
  QIP_CLI_LOG_UNREADABLE: { readonly path: string; readonly reason: string }
  /** Nobody can be asked at that address. */
  QIP_CLI_UNREACHABLE: { readonly what: string; readonly reason: string; readonly next?: string | undefined }
  /** The authority wants to know who asks. */
  QIP_CLI_CREDENTIAL_MISSING: { readonly authority: string; readonly isRefused: boolean }
  /** Trust would have to start from what nobody has vouched for. */
  QIP_CLI_TRUST_UNPINNED: { readonly authority: string }
  /** What was asked for is not there. */
  QIP_CLI_NOT_FOUND: { readonly what: string; readonly next?: string | undefined }
  /** A build was attested, and has been revoked since. */
  QIP_CLI_BUILD_REVOKED: { readonly build: string }
  /** What verified is not what was demanded. */
  QIP_CLI_EXPECTATION_MISSED: { readonly what: string; readonly found: string; readonly expected: string }
  /** A token was judged, and is not good. */
  QIP_CLI_TOKEN_NOT_VERIFIED: { readonly status: string; readonly reason: string; readonly when: string }
  /** A configuration or policy was checked, and is not good. */
  QIP_CLI_CHECK_FAILED: { readonly what: string; readonly count: number }
  /** A command whose part of the program is not there. */
  QIP_CLI_NOT_AVAILABLE: { readonly what: string; readonly next: string }
  /** Something that must not happen did. */
  QIP_CLI_DEFECT: { readonly reason: string }
}

const cliErrors: ErrorTable<CliErrorDetails> = {
  QIP_CLI_USAGE: {
    fault: 'caller',
    message: ({ reason }) => reason,
    next: ({ next }) => next ?? 'see `qip --help`',
  },
  QIP_CLI_COMMAND_UNKNOWN: {
    fault: 'caller',
    message: ({ name }) => `there is no command \`${short(name)}\``,
    next: ({ nearest }) => (nearest === undefined ? 'see `qip --help`' : `did you mean \`qip ${nearest}\`?`),
  },
  QIP_CLI_FILE_UNREADABLE: {
    fault: 'caller',
    message: ({ path, what, reason }) => `the ${what} \`${path}\` cannot be read: ${reason}`,
    next: () => 'check the path and its permissions',
  },
  QIP_CLI_FILE_UNWRITABLE: {
    fault: 'caller',
    message: ({ path, what, reason }) => `the ${what} \`${path}\` cannot be written: ${reason}`,
    next: ({ what }) =>
      what.endsWith('key')
        ? 'use the key that is there (`--key <file>`, once for each), or name another path'
        : 'name another path, or remove what is there if nobody needs it',
  },
  QIP_CLI_FILE_MALFORMED: {
    fault: 'caller',
    message: ({ path, what, reason }) => `\`${path}\` is no ${what}: ${reason}`,
  },
  QIP_CLI_LINE_TOO_LONG: {
    fault: 'caller',
    message: ({ bytesMax }) => `a line is longer than ${bytesMax} bytes`,
  },
  QIP_CLI_LINE_MALFORMED: { fault: 'caller', message: ({ reason }) => `a line is no request: ${reason}` },
  QIP_CLI_OPERATION_UNKNOWN: {
    fault: 'caller',
    message: ({ operation }) => `there is no operation \`${short(operation)}\``,
    next: ({ nearest }) =>
      nearest === undefined ? 'see `qip conformance --help`' : `did you mean \`${nearest}\`?`,
  },
  QIP_CLI_FIELD_MISSING: { fault: 'caller', message: ({ field }) => `the field \`${field}\` is missing` },
  QIP_CLI_FIELD_INVALID: {
    fault: 'caller',
    message: ({ field, expected }) => `the field \`${field}\` is not ${expected}`,
  },
  QIP_CLI_LOG_UNREADABLE: {
    fault: 'caller',
    message: ({ path, reason }) => `the log cannot be read at \`${path}\`: ${reason}`,
    next: () => 'name the directory or URL that has `checkpoint` and `tile/` in it (c2sp.org/tlog-tiles)',
  },
  QIP_CLI_UNREACHABLE: {
    fault: 'busy',
    message: ({ what, reason }) => `${what} cannot be reached: ${reason}`,
    next: ({ next }) => next ?? 'check the address, and that it is running',
  },
  QIP_CLI_CREDENTIAL_MISSING: {
    fault: 'denied',
    message: ({ authority, isRefused }) =>
      isRefused
        ? `the authority at \`${authority}\` does not take this credential`
        : `the authority at \`${authority}\` wants an operator's credential for this`,
    next: () =>
      'give --credential-file (the first one is `admin-credential` in the data directory), or use its Unix socket on the same machine',
  },
  QIP_CLI_TRUST_UNPINNED: {
    fault: 'caller',
    message: ({ authority }) => `nobody has vouched for the root keys that \`${authority}\` names`,
    next: () =>
      'pin them: `trust.rootThumbprints` in quantum-ip.yaml, or --root <thumbprint> for each; --trust-authority takes its word for this once',
  },
  QIP_CLI_NOT_FOUND: {
    fault: 'conflict',
    message: ({ what }) => `there is no ${what}`,
    next: ({ next }) => next ?? 'check the spelling, and that you ask the right authority',
  },
  QIP_CLI_BUILD_REVOKED: {
    fault: 'denied',
    message: ({ build }) => `build \`${build}\` was attested, and is revoked`,
    next: () => 'deploy another build',
  },
  QIP_CLI_EXPECTATION_MISSED: {
    fault: 'denied',
    message: ({ what, found, expected }) => `the ${what} is \`${found}\`, not one of \`${expected}\``,
    next: () => 'do not use it, or correct what is demanded of it',
  },
  QIP_CLI_TOKEN_NOT_VERIFIED: {
    fault: 'denied',
    message: ({ status, reason }) => `the token is not good: ${status}, ${reason}`,
    next: ({ when }) => `it means: ${when}`,
  },
  QIP_CLI_CHECK_FAILED: {
    fault: 'conflict',
    message: ({ what, count }) => `${count} ${count === 1 ? 'thing is' : 'things are'} wrong with ${what}`,
    next: () => 'correct what is listed and check again',
  },
  QIP_CLI_NOT_AVAILABLE: {
    fault: 'caller',
    message: ({ what }) => `${what} is not available here`,
    next: ({ next }) => next,
  },
  QIP_CLI_DEFECT: {
    fault: 'defect',
    message: ({ reason }) => `a defect of qip: ${reason}`,
    next: () => 'run it again with QIP_DEBUG=1 and report what it prints',
  },
}

// What a user typed: enough of it to recognise.
function short(text: string): string {
  return text.length > 64 ? `${text.slice(0, 64)}…` : text
}

/** Thrown by the command line. */
export class CliError<Code extends keyof CliErrorDetails = keyof CliErrorDetails> extends QipError<
  CliErrorDetails,
  Code
> {
  constructor(code: Code, details: CliErrorDetails[Code], options?: ErrorOptions) {
    super(cliErrors, code, details, options)
  }
}
