import { readFile } from 'node:fs/promises'
import { hex, parseServiceId } from '@quantum-ip/base'
import {
  type Admission,
  admit,
  type IssuedToken,
  openSession,
  requestObject,
  requestTokens,
  type TokenOrder,
  type TokenOrderForm,
} from '@quantum-ip/client'
import { headerNames } from '@quantum-ip/token'
import { CliError } from '../cli-errors.ts'
import { readArtifact } from '../lib/artifact.ts'
import { confirmationOf } from '../lib/confirmation.ts'
import { type AskedAuthority, askAuthority } from '../lib/authority.ts'
import type { AuthorityOptions } from '../lib/authority-options.ts'
import { parseWord } from '../lib/command.ts'
import type { Io } from '../lib/io.ts'
import type { Output } from '../lib/output.ts'
import { readTokenArgument } from '../lib/read-secret.ts'
import { readSessionFile, writeSessionFile } from '../lib/session-file.ts'
import { formatMoment, parseSpan } from '../lib/times.ts'

/** The options of `qip token issue`. */
export interface IssueOptions extends AuthorityOptions {
  readonly audience: readonly string[]
  readonly session?: string
  readonly joinToken?: string
  readonly as?: string
  readonly build?: readonly string[]
  readonly count: string
  readonly ttl?: string
  readonly oneTime?: boolean
  readonly form: string
  readonly jkt?: string
  readonly bindKey?: string
  readonly bindCertificate?: string
  readonly headers?: boolean
  readonly raw?: boolean
}

/** Draws tokens. They go to stdout, and what is said about them to stderr, so that a shell can take them. */
export async function issueTokens(output: Output, io: Io, options: IssueOptions): Promise<void> {
  const builds = await Promise.all(
    (options.build ?? []).map(async (argument) => hex((await readArtifact(argument)).build)),
  )
  const confirmation = await confirmationOf(options)
  const order = { ...orderOf(options, builds), ...(confirmation !== undefined && { confirmation }) }
  await using asked = await askAuthority(options)
  const admission = await admissionFor(asked, { io, options, builds })
  using session = openSession({ transport: asked.transport, admission })
  const issued = await requestTokens(session, order)
  for (const warning of admission.warnings) output.note(`qip: ${warning}`)
  const [first] = issued
  const staples = [...new Set(issued.flatMap(({ staple }) => staple ?? []))]
  const json = {
    sid: admission.sid,
    audience: [...options.audience],
    tokens: issued.map(({ token }) => token),
    heads: staples,
    expires: first?.expiresS ?? 0,
  }
  output.show(json, () => {
    for (const token of issued) printToken(output, token, options)
    if (options.raw === true || options.headers === true || first === undefined) return
    output.note(
      `for ${options.audience.join(', ')}, as ${admission.sid}, until ${formatMoment(first.expiresS * 1_000, Date.now())}`,
    )
  })
}

function printToken(output: Output, { token, staple }: IssuedToken, { headers = false }: IssueOptions): void {
  if (!headers) {
    output.line(token)
    return
  }
  output.line(`${headerNames.token}: ${token}`)
  if (staple !== undefined) output.line(`${headerNames.head}: ${staple}`)
}

const forms = ['compact', 'standalone', 'jwt', 'reference'] as const satisfies readonly TokenOrderForm[]

function orderOf(options: IssueOptions, builds: readonly string[]): TokenOrder {
  const { audience, ttl, oneTime } = options
  const form = forms.find((known) => known === options.form)
  if (form === undefined)
    throw usage(`there is no form \`${options.form.slice(0, 32)}\``, `one of ${forms.join(', ')}`)
  const count = Number(options.count)
  if (!/^\d{1,4}$/.test(options.count) || count < 1 || count > 1_000) throw usage('--count is 1 to 1000')
  const audiences = audience.map((id) => parseWord('--audience', () => parseServiceId(id)))
  return {
    audience: audiences.length === 1 ? (audiences[0] ?? '') : audiences,
    count,
    form,
    ...(ttl !== undefined && { ttlS: Math.ceil(parseSpan(ttl) / 1_000) }),
    ...(oneTime === true && { oneTime }),
    ...(builds[0] !== undefined && { build: builds[0] }),
  }
}

interface Admitting {
  readonly io: Io
  readonly options: IssueOptions
  readonly builds: readonly string[]
}

async function admissionFor(asked: AskedAuthority, { io, options, builds }: Admitting): Promise<Admission> {
  const { session, joinToken, as: service } = options
  if (service !== undefined) return admitAs(asked, service, builds)
  if (joinToken !== undefined) {
    const token = await readJoinToken(io, joinToken)
    const admission = await admit(asked.requester, { method: 'join-token', evidence: { token } })
    if (session !== undefined) await writeSessionFile(session, admission)
    return admission
  }
  if (session !== undefined) return readSessionFile(session, Date.now())
  throw usage(
    'nothing says as whom to draw tokens',
    '--session <file>, --join-token <token>, or as an operator --as <service>',
  )
}

async function readJoinToken(io: Io, argument: string): Promise<string> {
  if (argument.startsWith('qipj1.')) return argument
  if (argument === '-') return readTokenArgument(io, '-')
  try {
    return (await readFile(argument, 'utf8')).trim()
  } catch (cause) {
    throw new CliError(
      'QIP_CLI_USAGE',
      {
        reason: '--join-token is neither a join token nor a file that holds one',
        next: '`qip join-token <service>` makes one',
      },
      { cause },
    )
  }
}

/** An operator needs no join token from anybody: one is made, and used at once. */
async function admitAs(
  asked: AskedAuthority,
  service: string,
  builds: readonly string[],
): Promise<Admission> {
  const made = await requestObject(asked.requester, {
    operation: 'a join token',
    method: 'POST',
    target: '/v1/join-tokens',
    json: {
      sid: parseWord('--as', () => parseServiceId(service)),
      builds: [...builds],
      role: 'workload',
      ttl: 60,
    },
  })
  return admit(asked.requester, { method: 'join-token', evidence: { token: made.text('token') } })
}

function usage(reason: string, next?: string): CliError {
  return new CliError('QIP_CLI_USAGE', { reason, next })
}
