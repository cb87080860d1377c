import { type ErrorTable, QipError } from '@quantum-ip/base'
import type { TokenForm } from './token-refusal.ts'

/** The codes of `@quantum-ip/token`. */
export interface TokenErrorDetails {
  /** A text is not a token: another form, not canonical, not deterministic or over a limit. */
  QIP_TOKEN_MALFORMED: { readonly form: TokenForm | undefined; readonly reason: string }
  /** A text is the beginning of a token, cut off on its way (the truncation grammar). */
  QIP_TOKEN_TRUNCATED: { readonly form: TokenForm | undefined }
  /** Encoded claims are not the one spelling of a set of claims that is within its limits. */
  QIP_TOKEN_CLAIMS_MALFORMED: { readonly reason: string }
  /** Claims that were to be encoded break a rule of the claims table. */
  QIP_TOKEN_CLAIMS_INVALID: { readonly claim: string; readonly reason: string }
  /** A token would be longer than may be issued. */
  QIP_TOKEN_TOO_LONG: { readonly chars: number; readonly charsMax: number }
  /** The key that a JWT token names, by `kid` and `alg`, is not the key that it was to be verified with. */
  QIP_TOKEN_KEY_MISMATCH: { readonly member: 'alg' | 'kid' }
  /** A text is not a JWS in compact serialization. */
  QIP_TOKEN_JWS_MALFORMED: { readonly reason: string }
  /** A JWS header has a member that brings its own key or changes what is signed. */
  QIP_TOKEN_JWS_HEADER_REFUSED: { readonly member: string }
  /** A logged entry is not a token entry of version 1. */
  QIP_TOKEN_ENTRY_MALFORMED: { readonly reason: string }
  /** A chain that is to grow is full, or the hop is not the caller of the token. */
  QIP_TOKEN_CHAIN_REFUSED: { readonly reason: string }
  /** A part of a request cannot be bound: empty, too long, or not made of bytes. */
  QIP_TOKEN_REQUEST_PART_MALFORMED: { readonly part: string; readonly reason: string }
  /** A `Quantum-IP-Head` field is not one or two heads in their one spelling. */
  QIP_TOKEN_STAPLE_MALFORMED: { readonly reason: string }
  /** A `Quantum-IP-Status` field is not the dictionary that a consuming point writes. */
  QIP_TOKEN_STATUS_MALFORMED: { readonly reason: string }
  /** A text is not a quantum IP identifier: an address of `fd00::/8` as RFC 5952 writes it. */
  QIP_TOKEN_IDENTIFIER_MALFORMED: { readonly reason: string }
}

const tokenErrors: ErrorTable<TokenErrorDetails> = {
  QIP_TOKEN_MALFORMED: {
    fault: 'caller',
    message: ({ form, reason }) =>
      form === undefined ? `not a token: ${reason}` : `not a ${form} token: ${reason}`,
    next: () =>
      'pass the token whole, as `qip token issue` prints it: it begins with `qip1.`, `qipr1.` or `eyJ`',
  },
  QIP_TOKEN_TRUNCATED: {
    fault: 'caller',
    message: ({ form }) => `only the beginning of a ${form ?? 'Quantum IP'} token`,
    next: () => 'look for a proxy on the way that cuts header fields, for example with `qip doctor <url>`',
  },
  QIP_TOKEN_CLAIMS_MALFORMED: { fault: 'caller', message: ({ reason }) => `not token claims: ${reason}` },
  QIP_TOKEN_CLAIMS_INVALID: {
    fault: 'caller',
    message: ({ claim, reason }) => `claim \`${claim}\`: ${reason}`,
  },
  QIP_TOKEN_TOO_LONG: {
    fault: 'caller',
    message: ({ chars, charsMax }) => `the token would have ${chars} characters, more than ${charsMax}`,
    next: () => 'ask for fewer audiences, a shorter chain or shorter service IDs, or for a reference token',
  },
  QIP_TOKEN_KEY_MISMATCH: {
    fault: 'denied',
    message: ({ member }) => `the \`${member}\` of the token is not that of the expected key`,
  },
  QIP_TOKEN_ENTRY_MALFORMED: { fault: 'caller', message: ({ reason }) => `not a token entry: ${reason}` },
  QIP_TOKEN_JWS_MALFORMED: { fault: 'caller', message: ({ reason }) => `not a compact JWS: ${reason}` },
  QIP_TOKEN_JWS_HEADER_REFUSED: {
    fault: 'denied',
    message: ({ member }) => `a JWS header with \`${member}\` is refused`,
  },
  QIP_TOKEN_CHAIN_REFUSED: {
    fault: 'caller',
    message: ({ reason }) => `the provenance chain cannot grow: ${reason}`,
    next: () => 'begin a new chain with a token of its own, without exchange',
  },
  QIP_TOKEN_REQUEST_PART_MALFORMED: {
    fault: 'caller',
    message: ({ part, reason }) => `the ${part} of the request cannot be bound: ${reason}`,
  },
  QIP_TOKEN_STAPLE_MALFORMED: { fault: 'caller', message: ({ reason }) => `not a stapled head: ${reason}` },
  QIP_TOKEN_STATUS_MALFORMED: { fault: 'caller', message: ({ reason }) => `not a status field: ${reason}` },
  QIP_TOKEN_IDENTIFIER_MALFORMED: {
    fault: 'caller',
    message: ({ reason }) => `not a quantum IP identifier: ${reason}`,
  },
}

/** Thrown by `@quantum-ip/token`. No message or detail ever holds text of a token. */
export class TokenError<Code extends keyof TokenErrorDetails = keyof TokenErrorDetails> extends QipError<
  TokenErrorDetails,
  Code
> {
  constructor(code: Code, details: TokenErrorDetails[Code], options?: ErrorOptions) {
    super(tokenErrors, code, details, options)
  }
}
