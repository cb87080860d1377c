import { hex, type JsonObject, parseServiceId } from '@quantum-ip/base'
import { requestObject } from '@quantum-ip/client'
import { readToken, TokenRefusal } from '@quantum-ip/token'
import type { Command } from 'commander'
import { CliError } from '../cli-errors.ts'
import { parseDigest, readArtifact } from '../lib/artifact.ts'
import { askAuthority } from '../lib/authority.ts'
import { type AuthorityOptions, withAuthority } from '../lib/authority-options.ts'
import { answer, newAnswer, newCommand, parseWord } from '../lib/command.ts'
import type { Run } from '../lib/io.ts'
import { originOf } from '../lib/log-origin.ts'
import { type Output, tone } from '../lib/output.ts'
import { awaitPropagation, type Propagation } from '../lib/propagation.ts'
import { formatSpan, parseMoment, parseSpan } from '../lib/times.ts'

interface RevokeOptions extends AuthorityOptions {
  readonly reason: string
  readonly log?: string
  readonly from?: string
  readonly before?: string
  readonly expires?: string
  readonly wait: string
}

/** What a revocation is aimed at: members of a record. */
interface Aim {
  readonly kind: 'key' | 'identity' | 'build' | 'token' | 'range'
  readonly value: string
  readonly from?: number
}

function one(name: Aim['kind'], summary: string): Command {
  return withAuthority(
    newAnswer(name, summary)
      .requiredOption('--reason <text>', 'why, for people; it is not secret')
      .option('--wait <duration>', 'how long to watch until the fleet holds it', '5s'),
  )
}

/** `qip revoke key|identity|build|token|range`. */
export function revokeCommand(run: Run): Command {
  const carryOut = (options: RevokeOptions, aim: () => Promise<Aim> | Aim) => {
    return answer(run, options, async (output) => revoke(output, await aim(), options))
  }
  const expires = ['--expires <time>', 'until when it is in force (default: for ever)'] as const
  const before = ['--before <time>', 'only tokens issued before then (default: all, for ever)'] as const
  return newCommand('revoke', 'revoke a key, identity, build, token or range of tokens')
    .addCommand(
      one('key', 'revoke a key, by its thumbprint')
        .argument('<thumbprint>', 'as `qip keys list` shows it')
        .option('--log <name>', 'what it signed below --from of this log still counts')
        .option('--from <index>', 'the first index that does not count')
        .action((value: string, options: RevokeOptions) => {
          return carryOut(options, () => ({ kind: 'key', value, ...fromOf(options) }))
        }),
    )
    .addCommand(
      one('identity', 'revoke a service, and end its sessions')
        .argument('<service>', 'the service ID')
        .option(...before)
        .option(...expires)
        .action((value: string, options: RevokeOptions) => {
          return carryOut(options, () => ({
            kind: 'identity',
            value: parseWord('the service', () => parseServiceId(value)),
          }))
        }),
    )
    .addCommand(
      one('build', 'revoke a build, and end the sessions that run it')
        .argument('<artifact>', 'a file, or sha256:<digest>')
        .option(...before)
        .option(...expires)
        .action((value: string, options: RevokeOptions) => {
          return carryOut(options, async () => ({ kind: 'build', value: hex(await buildOf(value)) }))
        }),
    )
    .addCommand(
      one('token', 'revoke one token')
        .argument('<token>', 'the token, its digest, or with --log its index')
        .option('--log <name>', 'the token log, tokens/1')
        .option(...expires)
        .action((value: string, options: RevokeOptions) => {
          return carryOut(options, () => ({ kind: 'token', value: tokenValue(value, options) }))
        }),
    )
    .addCommand(
      one('range', 'revoke all tokens of a log from one index to another')
        .argument('<from>', 'the first index')
        .argument('<end>', 'the first index after the range')
        .requiredOption('--log <name>', 'the token log, tokens/1')
        .option(...expires)
        .action((from: string, end: string, options: RevokeOptions) => {
          return carryOut(options, () => ({
            kind: 'range',
            value: String(indexOf(end)),
            from: indexOf(from),
          }))
        }),
    )
}

function indexOf(text: string): number {
  if (/^\d{1,15}$/.test(text)) return Number(text)
  throw new CliError('QIP_CLI_USAGE', { reason: `\`${text.slice(0, 32)}\` is no index of a log` })
}

function fromOf({ log, from }: RevokeOptions): { from?: number } {
  if (from === undefined && log === undefined) return {}
  if (from !== undefined && log !== undefined) return { from: indexOf(from) }
  throw new CliError('QIP_CLI_USAGE', { reason: '--log and --from belong together' })
}

async function buildOf(argument: string): Promise<Uint8Array> {
  return /^[0-9a-fA-F]{64}$/.test(argument) ? parseDigest(argument) : (await readArtifact(argument)).build
}

/** A digest is the token's public name; whoever has the token itself need not know it. */
function tokenValue(argument: string, { log }: RevokeOptions): string {
  if (log !== undefined) return String(indexOf(argument))
  if (/^(?:sha256:)?[0-9a-fA-F]{64}$/.test(argument)) return hex(parseDigest(argument))
  const token = readToken(argument)
  if (!(token instanceof TokenRefusal) && token.form !== 'reference') return hex(token.digest)
  throw new CliError('QIP_CLI_USAGE', {
    reason: 'that is neither a token nor the digest of one',
    next: '`qip token inspect` shows the digest; with --log, name the index',
  })
}

async function revoke(output: Output, aim: Aim, options: RevokeOptions): Promise<void> {
  const { reason, before, expires, log } = options
  const nowMs = Date.now()
  const seconds = (text: string) => Math.floor(parseMoment(text, nowMs) / 1_000)
  const waitMs = parseSpan(options.wait)
  await using asked = await askAuthority(options)
  const { requester } = asked
  const json: JsonObject = {
    kind: aim.kind,
    value: aim.value,
    ...(log !== undefined && { log: await originOf(requester, log) }),
    ...(aim.from !== undefined && { from: aim.from }),
    ...(before !== undefined && { before: seconds(before) }),
    ...(expires !== undefined && { expires: seconds(expires) }),
    reason,
  }
  const done = await requestObject(requester, {
    operation: 'revocation',
    method: 'POST',
    target: '/v1/revocations',
    json,
  })
  const epoch = done.integer('epoch')
  const sessionsEnded = done.integer('sessionsEnded')
  const propagation = await awaitPropagation(requester, { epoch, waitMs }, ({ members, current }) => {
    output.progress(`${current} of ${members} members hold epoch ${epoch}`)
  })
  output.progressDone()
  const answered = {
    epoch,
    seq: done.integer('seq'),
    sessionsEnded,
    ...propagation,
    behind: [...propagation.behind],
    reached: propagation.reached === undefined ? null : { ...propagation.reached },
  }
  output.show({ ...json, ...answered }, () => {
    output.line(tone('good', 'revoked'), aim.kind, tone('strong', shown(aim)))
    output.facts([
      ['epoch', `${epoch}, confirmed by signed state ${answered.seq}`],
      ['sessions', `${sessionsEnded} ended`],
      ['fleet', fleetText(propagation)],
      propagation.reached && ['reached', reachedText(propagation.reached)],
    ])
    if (propagation.behind.length > 0) output.line('  next:', 'qip fleet shows how far they are')
  })
}

function shown({ kind, value, from }: Aim): string {
  return kind === 'range' ? `[${from ?? 0}, ${value})` : value
}

function reachedText({ medianMs, lastMs }: NonNullable<Propagation['reached']>): string {
  return `half of them within ${formatSpan(medianMs)}, the last after ${formatSpan(lastMs)}`
}

function fleetText({ members, current, behind }: Propagation) {
  if (members === 0) return tone('warn', 'nobody follows the trust state at the moment')
  if (behind.length === 0) return tone('good', `all ${members} members hold it`)
  return tone('warn', `${current} of ${members} members hold it; not yet: ${behind.slice(0, 8).join(', ')}`)
}
