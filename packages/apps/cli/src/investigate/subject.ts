import {
  hex,
  isQipError,
  isServiceId,
  parseServiceId,
  trustDomainName,
  trustDomainOf,
} from '@quantum-ip/base'
import { parseDecisionId } from '@quantum-ip/telemetry'
import { readToken, TokenRefusal } from '@quantum-ip/token'
import { CliError } from '../cli-errors.ts'
import { parseDigest } from '../lib/artifact.ts'
import { parseWord } from '../lib/command.ts'

/** What an investigation may begin with. */
export const subjectKinds = ['build', 'service', 'key', 'decision', 'token', 'identifier'] as const

/** A kind of {@link subjectKinds}. */
export type SubjectKind = (typeof subjectKinds)[number]

/** What is investigated. Never the token itself: that would stand in files and on screens. */
export interface Subject {
  readonly kind: SubjectKind
  /**
   * A digest in hexadecimal (build, token), a service ID, a key's thumbprint or ID, a decision ID, an identifier; for a token that is
   * named by its place `<log>/<index>`.
   */
  readonly value: string
  /** What a token says of itself, where the token was at hand. Nothing of it is verified. */
  readonly claims?: TokenClaims
  /** The service as which a build runs or is to run, where somebody named one. */
  readonly as?: string
}

/** What a token says of itself. */
export interface TokenClaims {
  readonly sub: string
  readonly build: string | undefined
  readonly attestation: readonly [log: number, index: number] | undefined
  readonly iat: number
  readonly exp: number
  /** The log that it names: only a JWT does. */
  readonly log: string | undefined
  /** The index in its log. */
  readonly index: number | undefined
  /** The ID of the key that issued it: eight hexadecimal characters; of a JWT the thumbprint. */
  readonly key: string | undefined
}

/**
 * What a command line names, recognised by its form.
 *
 * @param kind what it is, where its form does not say: 64 hexadecimal characters are a build unless this says `token`
 * @throws {CliError} `QIP_CLI_USAGE`
 */
export function parseSubject(text: string, kind?: SubjectKind): Subject {
  const is = kind ?? kindOf(text)
  if (is === undefined) {
    throw new CliError('QIP_CLI_USAGE', {
      reason: 'that is no digest, service ID, key, decision, token or identifier',
      next: 'name a digest (sha256:…), a file, a service ID, a thumbprint, a decision ID or a token; --kind says which it is',
    })
  }
  return parsers[is](text)
}

function kindOf(text: string): SubjectKind | undefined {
  if (/^(?:sha256:)?[0-9a-fA-F]{64}$/.test(text)) return 'build'
  // A type guard would leave nothing of `text` behind it.
  const isService: boolean = isServiceId(text)
  if (isService) return 'service'
  if (text.startsWith('qip1.') || /^[\w-]+\.[\w-]+\.[\w-]+$/.test(text) || tokenPlace(text)) return 'token'
  if (/^fd[0-9a-fA-F:]{2,}$/.test(text) && text.includes(':')) return 'identifier'
  if (isDecision(text)) return 'decision'
  if (/^[A-Za-z0-9_-]{43}$/.test(text) || /^[0-9a-f]{8}$/.test(text)) return 'key'
  return undefined
}

const parsers: Readonly<Record<SubjectKind, (text: string) => Subject>> = {
  build: (text) => ({ kind: 'build', value: hex(parseDigest(text)) }),
  service: (text) => ({ kind: 'service', value: parseWord('the service', () => parseServiceId(text)) }),
  key: (text) => ({ kind: 'key', value: text }),
  decision(text) {
    parseWord('the decision', () => parseDecisionId(text))
    return { kind: 'decision', value: text }
  },
  token: parseTokenSubject,
  identifier: (text) => ({ kind: 'identifier', value: text }),
}

function parseTokenSubject(text: string): Subject {
  if (/^(?:sha256:)?[0-9a-fA-F]{64}$/.test(text)) return { kind: 'token', value: hex(parseDigest(text)) }
  if (tokenPlace(text)) return { kind: 'token', value: text.replace(/:(\d+)$/, '/$1') }
  const token = readToken(text)
  if (token instanceof TokenRefusal || token.form === 'reference') {
    throw new CliError('QIP_CLI_USAGE', {
      reason: 'that is neither a token, nor the digest of one, nor its place in a log',
      next: 'write tokens/<n>/<index> for a place; `qip token inspect` reads a token',
    })
  }
  const { claims } = token
  return {
    kind: 'token',
    value: hex(token.digest),
    claims: {
      sub: claims.sub,
      build: claims.bld === undefined ? undefined : hex(claims.bld),
      attestation: claims.att,
      iat: claims.iat,
      exp: claims.exp,
      log:
        token.form === 'jwt'
          ? `${trustDomainName(trustDomainOf(claims.sub))}/tokens/${token.log}`
          : undefined,
      index: token.index,
      key: 'keyId' in token ? token.keyId.toString(16).padStart(8, '0') : token.kid,
    },
  }
}

function tokenPlace(text: string): boolean {
  return /^(?:[a-z0-9.-]+\/)?tokens\/[1-9]\d{0,8}[/:]\d{1,15}$/.test(text)
}

function isDecision(text: string): boolean {
  try {
    parseDecisionId(text)
    return true
  } catch (error) {
    if (isQipError(error)) return false
    throw error
  }
}
