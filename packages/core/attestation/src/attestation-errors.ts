import { type ErrorTable, QipError } from '@quantum-ip/base'

/** The codes of `@quantum-ip/attestation`. */
export interface AttestationErrorDetails {
  /** An envelope holds no in-toto Statement v1 with SLSA provenance v1, as far as anything here relies on it. */
  QIP_ATTESTATION_STATEMENT_MALFORMED: { readonly path: string; readonly reason: string }
  /** No builder of this trust domain has the ID that the provenance names. */
  QIP_ATTESTATION_BUILDER_UNKNOWN: { readonly builder: string; readonly nearest: string | undefined }
  /** Not every key of a builder's set has signed. */
  QIP_ATTESTATION_SIGNATURES_INSUFFICIENT: { readonly builder: string; readonly sets: number }
  /** The attestation is about other artifacts. */
  QIP_ATTESTATION_SUBJECT_MISMATCH: {
    readonly build: string
    readonly subjects: number
    /** SHA-256 of the first subject, where it has one. */
    readonly first: string | undefined
  }
  /** Bytes are no entry of an attestation log. */
  QIP_ATTESTATION_ENTRY_MALFORMED: { readonly reason: string }
  /** The logged entry is about another envelope or build. */
  QIP_ATTESTATION_ENTRY_MISMATCH: { readonly what: 'build' | 'signed bytes' | 'stored envelope' }
  /** The entry is not in the log where it is said to be. */
  QIP_ATTESTATION_NOT_LOGGED: { readonly origin: string | undefined; readonly index: number }
  /** An evidence file does not have the members of its format. */
  QIP_ATTESTATION_EVIDENCE_MALFORMED: { readonly path: string; readonly reason: string }
  /** An evidence file's checkpoint is not vouched for by any key that is trusted for the log. */
  QIP_ATTESTATION_CHECKPOINT_UNTRUSTED: { readonly origin: string }
  /** No admission rule lets this build be this service. */
  QIP_ATTESTATION_NOT_ADMITTED: { readonly service: string; readonly reason: string }
  /** An admission rule is not one. */
  QIP_ATTESTATION_RULE_MALFORMED: { readonly rule: string; readonly member: string; readonly reason: string }
}

const attestationErrors: ErrorTable<AttestationErrorDetails> = {
  QIP_ATTESTATION_STATEMENT_MALFORMED: {
    fault: 'caller',
    message: ({ path, reason }) => `malformed attestation: ${at(path)}${reason}`,
    next: () => 'send a DSSE envelope with an in-toto Statement v1 and SLSA provenance v1',
  },
  QIP_ATTESTATION_BUILDER_UNKNOWN: {
    fault: 'denied',
    message: ({ builder }) => `unknown builder \`${builder}\``,
    next: ({ nearest }) =>
      nearest === undefined
        ? 'make its keys known: `qip keys register <builder> <its public keys>`, or `admission.builders` in the configuration'
        : `did you mean \`${nearest}\`?`,
  },
  QIP_ATTESTATION_SIGNATURES_INSUFFICIENT: {
    fault: 'denied',
    message: ({ builder, sets }) =>
      sets === 0
        ? `builder \`${builder}\` has no keys that count`
        : `not every key of a set of builder \`${builder}\` has signed`,
    next: () =>
      'sign, and verify, with all keys of the builder: hybrid is ML-DSA-65 and Ed25519 in one envelope',
  },
  QIP_ATTESTATION_SUBJECT_MISMATCH: {
    fault: 'denied',
    message: ({ build, subjects, first }) =>
      subjects === 1
        ? `it attests \`${first ?? 'no SHA-256'}\`, not build \`${build}\``
        : `none of the ${subjects} subjects is build \`${build}\``,
    next: () => 'hash the artifact again, or take the evidence that was written for it',
  },
  QIP_ATTESTATION_ENTRY_MALFORMED: {
    fault: 'caller',
    message: ({ reason }) => `not an attestation log entry: ${reason}`,
  },
  QIP_ATTESTATION_ENTRY_MISMATCH: {
    fault: 'denied',
    message: ({ what }) => `the logged entry has another ${what}`,
    next: ({ what }) =>
      what === 'build'
        ? 'this is not the artifact that was attested: take its own evidence file, or the artifact that this one is for'
        : 'fetch the evidence again: its envelope was changed after it was logged',
  },
  QIP_ATTESTATION_NOT_LOGGED: {
    fault: 'denied',
    message: ({ origin, index }) =>
      `the log${origin === undefined ? '' : ` \`${origin}\``} has something else at ${index}`,
  },
  QIP_ATTESTATION_EVIDENCE_MALFORMED: {
    fault: 'caller',
    message: ({ path, reason }) => `malformed evidence file: ${at(path)}${reason}`,
  },
  QIP_ATTESTATION_CHECKPOINT_UNTRUSTED: {
    fault: 'denied',
    message: ({ origin }) => `no trusted key signed the checkpoint of \`${origin}\``,
    next: () => 'pass the bundle that held the log’s key, or the witnesses’ keys and their quorum',
  },
  QIP_ATTESTATION_NOT_ADMITTED: {
    fault: 'denied',
    message: ({ service, reason }) => `the build may not be \`${service}\`: ${reason}`,
  },
  QIP_ATTESTATION_RULE_MALFORMED: {
    fault: 'caller',
    message: ({ rule, member, reason }) => `malformed admission ${rule}: \`${member}\` ${reason}`,
  },
}

function at(path: string): string {
  return path === '' ? '' : `\`${path}\` `
}

/** Thrown by `@quantum-ip/attestation`. */
export class AttestationError<
  Code extends keyof AttestationErrorDetails = keyof AttestationErrorDetails,
> extends QipError<AttestationErrorDetails, Code> {
  constructor(code: Code, details: AttestationErrorDetails[Code], options?: ErrorOptions) {
    super(attestationErrors, code, details, options)
  }
}
