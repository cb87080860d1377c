import { QipError, type ErrorTable } from '@quantum-ip/base'

/** The codes of `@quantum-ip/opa`. */
export interface OpaErrorDetails {
  /** An option of an engine is out of its range, or not of its form. */
  QIP_OPA_OPTION_INVALID: { readonly option: string; readonly reason: string }
  /** A file is no WebAssembly module that `opa build -t wasm` made, or none that can decide here. */
  QIP_OPA_MODULE_INVALID: { readonly file: string; readonly reason: string; readonly next: string }
}

const opaErrors: ErrorTable<OpaErrorDetails> = {
  QIP_OPA_OPTION_INVALID: {
    fault: 'caller',
    message: ({ option, reason }) => `option \`${option}\` ${reason}`,
  },
  QIP_OPA_MODULE_INVALID: {
    fault: 'caller',
    message: ({ file, reason }) => `\`${file}\` is no policy in WebAssembly: ${reason}`,
    next: ({ next }) => next,
  },
}

/** Thrown when an engine is opened; never while it decides. */
export class OpaError<Code extends keyof OpaErrorDetails = keyof OpaErrorDetails> extends QipError<
  OpaErrorDetails,
  Code
> {
  constructor(code: Code, details: OpaErrorDetails[Code], options?: ErrorOptions) {
    super(opaErrors, code, details, options)
  }
}
