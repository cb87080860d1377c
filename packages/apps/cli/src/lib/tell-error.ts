import { type CodedError, type Fault, isQipError } from '@quantum-ip/base'
import { CommanderError } from 'commander'
import { CliError } from '../cli-errors.ts'
import type { Outcome } from '../exit-codes.ts'
import type { Io } from './io.ts'
import { Output, tone } from './output.ts'

/** Whatever was thrown, as one of our errors. What a command line lacks is a usage error; all else unknown is a defect of ours. */
export function codedError(thrown: unknown, command = ''): CodedError {
  if (isQipError(thrown)) return thrown
  if (thrown instanceof CommanderError) return usageError(thrown, command)
  const reason = thrown instanceof Error ? `${thrown.name}: ${thrown.message}` : 'something was thrown'
  return new CliError('QIP_CLI_DEFECT', { reason }, { cause: thrown })
}

function usageError({ code, message }: CommanderError, command: string): CliError {
  if (code === 'commander.help') return new CliError('QIP_CLI_USAGE', { reason: 'a command is missing' })
  // `error: unknown option '--jsn'\n(Did you mean --json?)`
  const [first = '', ...rest] = message.replace(/^error: /, '').split('\n')
  const hint = /\((Did you mean .*\?)\)/.exec(rest.join(' '))?.[1]
  return new CliError('QIP_CLI_USAGE', {
    reason: first.replaceAll("'", '`').replace(/\.$/, ''),
    next:
      hint === undefined
        ? `see \`qip${command === '' ? '' : ` ${command}`} --help\``
        : hint.replace(/^D/, 'd'),
  })
}

const outcomeOfFault: Readonly<Record<Fault, Outcome>> = {
  caller: 'no',
  denied: 'no',
  conflict: 'no',
  busy: 'unreachable',
  defect: 'defect',
}

// What is wrong with the command line or a file that it names, rather than with what was to be judged.
const usageCodes = new Set<string>([
  'QIP_CLI_USAGE',
  'QIP_CLI_COMMAND_UNKNOWN',
  'QIP_CLI_FILE_UNREADABLE',
  'QIP_CLI_FILE_UNWRITABLE',
  'QIP_CLI_TRUST_UNPINNED',
  'QIP_CLI_NOT_AVAILABLE',
  'QIP_CLIENT_ADDRESS_REFUSED',
  'QIP_HTTP_FILE_UNREADABLE',
  'QIP_MIRROR_FILE_MALFORMED',
  'QIP_TELEMETRY_DECISION_ID_MALFORMED',
])

/** How a command ends that failed with `error`. */
export function outcomeOf({ code, fault }: CodedError): Outcome {
  return usageCodes.has(code) ? 'usage' : outcomeOfFault[fault]
}

/** Tells an error: for people on stderr, as one JSON object on stdout. */
export function tellError(io: Io, error: CodedError, json: boolean): void {
  const { code } = error
  const message = withoutSecrets(error.message)
  const next = error.next === undefined ? undefined : withoutSecrets(error.next)
  if (json) {
    io.stdout.write(`${JSON.stringify({ code, message, next: next ?? null })}\n`)
  } else {
    const output = new Output({ ...io, stdout: io.stderr })
    output.line(tone('bad', 'qip:'), message)
    if (next !== undefined) output.line('  next:', next)
    output.line(tone('dim', `  code: ${code}`))
  }
  if (process.env['QIP_DEBUG'] !== undefined) io.stderr.write(`${withoutSecrets(debugText(error))}\n`)
}

// A token, join token or credential that stands in the wrong place of a command line is a secret all the same.
function withoutSecrets(text: string): string {
  return text.replaceAll(/\b(qip[a-z]?1\.|eyJ)[\w.+/=-]{6,}/g, '$1…')
}

function debugText(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  const own = error.stack ?? error.message
  return error.cause === undefined ? own : `${own}\ncaused by: ${debugText(error.cause)}`
}
