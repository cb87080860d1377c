import { type ErrorTable, QipError } from '@quantum-ip/base'

/** The codes of `@quantum-ip/inproxy`. */
export interface InproxyErrorDetails {
  /** Anybody on the machine may write into the folder, and so decide who is let in. */
  QIP_INPROXY_DIRECTORY_OPEN: { readonly directory: string }
}

const inproxyErrors: ErrorTable<InproxyErrorDetails> = {
  QIP_INPROXY_DIRECTORY_OPEN: {
    fault: 'conflict',
    message: ({ directory }) => `anybody may write into \`${directory}\``,
    next: () => 'take a folder of its own, as `/run/quantum-ip`, with mode 0755 or less',
  },
}

/** Thrown where the held state cannot be written as it must be. */
export class InproxyError<
  Code extends keyof InproxyErrorDetails = keyof InproxyErrorDetails,
> extends QipError<InproxyErrorDetails, Code> {
  constructor(code: Code, details: InproxyErrorDetails[Code], options?: ErrorOptions) {
    super(inproxyErrors, code, details, options)
  }
}
