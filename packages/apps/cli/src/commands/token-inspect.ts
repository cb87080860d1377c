import { hex, type JsonObject, u32be } from '@quantum-ip/base'
import {
  claimsToJson,
  type JwtToken,
  type MerkleToken,
  readToken,
  type ReferenceToken,
  TokenError,
  TokenRefusal,
} from '@quantum-ip/token'
import type { Outcome } from '../exit-codes.ts'
import type { Io } from '../lib/io.ts'
import { type Output, type OutputOptions, tone } from '../lib/output.ts'
import { readTokenArgument } from '../lib/read-secret.ts'
import { type TokenCheck, tokenChecks } from '../lib/token-checks.ts'
import { claimRows, jwtRows, placeRows, type ReportRow } from '../lib/token-report.ts'

/** The options of `qip token inspect`. */
export interface InspectOptions extends OutputOptions {
  readonly audience?: string
  readonly showSecret?: boolean
}

/** What `qip token inspect` is called with. */
export interface InspectCall {
  readonly run: Io
  readonly token: string | undefined
  readonly options: InspectOptions
}

const formNames = {
  compact: 'Merkle token, compact form',
  standalone: 'Merkle token, standalone form: it brings its signed head',
  jwt: 'Token in the JWT form',
} as const

/** Explains a token, field by field and check by check, without asking anybody. @throws {TokenError} for what is no token */
export async function inspectToken(output: Output, { run, token, options }: InspectCall): Promise<Outcome> {
  const text = await readTokenArgument(run, token)
  const read = readToken(text, { isKnownKid: () => true })
  if (read instanceof TokenRefusal) throw refusalError(read)
  if (read.form === 'reference') return showReference(output, read)
  const nowMs = Date.now()
  const showSecret = options.showSecret === true
  const checks = tokenChecks(read, { text, nowMs, audience: options.audience })
  const places = read.form === 'jwt' ? jwtRows(read) : placeRows(read)
  output.show(reportJson(read, { text, checks, showSecret }), () => {
    output.line(tone('strong', formNames[read.form]), tone('dim', `${text.length} characters`))
    output.line('')
    output.line(tone('accent', 'What it says'))
    showRows(output, claimRows(read.claims, { nowMs, showSecret }))
    output.line('')
    output.line(tone('accent', 'Where it is logged'))
    showRows(output, places)
    output.line('')
    output.line(tone('accent', 'What an enforcement point checks'))
    showChecks(output, checks)
    output.line('')
    output.line('  next:', 'qip token verify asks an authority for the rest')
  })
  return 'ok'
}

function refusalError({ reason, truncated }: TokenRefusal): TokenError {
  return truncated
    ? new TokenError('QIP_TOKEN_TRUNCATED', { form: undefined })
    : new TokenError('QIP_TOKEN_MALFORMED', { form: undefined, reason })
}

function showReference(output: Output, { keyId }: ReferenceToken): Outcome {
  const key = hex(u32be(keyId))
  output.show({ form: 'reference', key }, () => {
    output.line(tone('strong', 'Reference token'), tone('dim', '33 characters'))
    showRows(output, [
      {
        name: 'key',
        value: key,
        means: 'names the issuing key, and with it the authority that can be asked',
      },
      { name: 'handle', value: 'not shown', means: 'the bearer secret; all else is what it stands for' },
    ])
    output.line('  next:', 'qip token verify resolves it at the authority')
  })
  return 'ok'
}

function showRows(output: Output, rows: readonly ReportRow[]): void {
  const width = Math.max(...rows.map(({ name }) => name.length))
  for (const { name, value, means } of rows) {
    output.line(' ', tone('dim', name.padEnd(width)), '', value)
    if (means !== undefined) output.line(' ', ' '.repeat(width), '', tone('dim', means))
  }
}

const outcomeWords = {
  holds: tone('good', 'holds'),
  fails: tone('bad', 'fails'),
  open: tone('dim', 'open '),
} as const

function showChecks(output: Output, checks: readonly TokenCheck[]): void {
  const width = Math.max(...checks.map(({ name }) => name.length))
  for (const { name, outcome, says } of checks) {
    output.line(
      ' ',
      outcomeWords[outcome],
      '',
      name.padEnd(width),
      '',
      outcome === 'open' ? tone('dim', says) : says,
    )
  }
}

interface Reported {
  readonly text: string
  readonly checks: readonly TokenCheck[]
  readonly showSecret: boolean
}

function reportJson(token: MerkleToken | JwtToken, { text, checks, showSecret }: Reported): JsonObject {
  const claims = claimsToJson(token.claims)
  if (!showSecret) delete claims['jti']
  return {
    form: token.form,
    chars: text.length,
    claims,
    digest: hex(token.digest),
    ...(token.form === 'jwt' ? jwtJson(token) : merkleJson(token)),
    checks: checks.map((check) => ({ ...check })),
  }
}

function jwtJson({ alg, kid, log, index }: JwtToken): JsonObject {
  return { alg, kid, log, index }
}

function merkleJson({ keyId, index, start, end, path, sigs }: MerkleToken): JsonObject {
  return {
    key: hex(u32be(keyId)),
    index,
    start,
    end,
    pathHashes: path.count,
    signatures: sigs.map((sig) => hex(u32be(sig.keyId))),
  }
}
