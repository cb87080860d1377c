import { AnswerReader } from '@quantum-ip/client'
import { windowKinds } from '@quantum-ip/telemetry'
import type { Command } from 'commander'
import { CliError } from '../cli-errors.ts'
import { askJson } from '../lib/ask-json.ts'
import { type AuthorityOptions, withAuthority } from '../lib/authority-options.ts'
import { answer, newAnswer, newCommand, several } from '../lib/command.ts'
import { namesText } from '../lib/incident-text.ts'
import type { Run } from '../lib/io.ts'
import { type Cell, type Output, tone } from '../lib/output.ts'
import { numberOf } from '../lib/number-of.ts'
import { textOf } from '../lib/text-of.ts'
import { formatMoment, formatTime, parseMoment, parseSpan } from '../lib/times.ts'

interface OpenOptions extends AuthorityOptions {
  readonly reason: string
  readonly kind?: string
  readonly service?: readonly string[]
  readonly owner?: string
  readonly from?: string
  readonly for?: string
  readonly until?: string
}

interface ListOptions extends AuthorityOptions {
  readonly all?: boolean
}

const windowsMax = 1_000

/** `qip window open|close|list|show`. */
export function windowCommand(run: Run): Command {
  const close = newAnswer('close', 'end a window before its time').argument('<number>', 'of the window')
  const list = newAnswer('list', 'list the windows that are open or scheduled').option(
    '--all',
    'those that are over, too',
  )
  const show = newAnswer('show', 'show a window').argument('<number>', 'as `qip window list` shows it')
  withAuthority(close).action((number: string, options: AuthorityOptions) =>
    answer(run, options, async (output) => {
      const [operation, target] = ['to close a window', `/v1/windows/${encodeURIComponent(number)}/close`]
      const json = await askJson(options, { operation, method: 'POST', target, json: {} })
      output.show(json, () => output.line(tone('good', 'ok'), `window ${number} is over: alerts are back`))
    }),
  )
  withAuthority(list).action((options: ListOptions) =>
    answer(run, options, (output) => listWindows(output, options)),
  )
  withAuthority(show).action((number: string, options: AuthorityOptions) =>
    answer(run, options, async (output) => {
      const [operation, target] = ['a window', `/v1/windows/${encodeURIComponent(number)}`]
      const json = await askJson(options, { operation, method: 'GET', target })
      output.show(json, () => showWindow(output, new AnswerReader(json, operation)))
    }),
  )
  return newCommand('window', 'declare times in which alerts are not wanted: maintenance, rotations')
    .addCommand(openCommand(run))
    .addCommand(close)
    .addCommand(list)
    .addCommand(show)
}

function openCommand(run: Run): Command {
  const open = newAnswer('open', 'declare a window: alerts of its services are silent while it is open')
    .requiredOption('--reason <text>', 'why, for those who wonder why it is so quiet')
    .option('--kind <kind>', `one of ${windowKinds.join(', ')} (default: maintenance)`)
    .option('--service <id>', 'a service that it is for (several; default: all)', several)
    .option('--owner <name>', 'whom to ask (default: you)')
    .option('--from <time>', 'when it begins (default: now)')
    .option('--for <duration>', 'how long, 7 days at most')
    .option('--until <time>', 'when it ends, in place of --for')
  return withAuthority(open).action((options: OpenOptions) =>
    answer(run, options, async (output) => {
      const { reason, kind, service, owner, from } = options
      const nowMs = Date.now()
      const fromMs = from === undefined ? undefined : parseMoment(from, nowMs)
      const json = {
        reason,
        untilMs: endOf(options, fromMs ?? nowMs),
        ...(kind !== undefined && { kind: kindOf(kind) }),
        ...(fromMs !== undefined && { fromMs }),
        ...(service !== undefined && { services: [...service] }),
        ...(owner !== undefined && { owner }),
      }
      const operation = 'to open a window'
      const opened = await askJson(options, { operation, method: 'POST', target: '/v1/windows', json })
      output.show(opened, () => tellOpened(output, new AnswerReader(opened, operation)))
    }),
  )
}

function endOf({ for: span, until }: OpenOptions, fromMs: number): number {
  if (span !== undefined && until === undefined) return fromMs + parseSpan(span)
  if (until !== undefined && span === undefined) return parseMoment(until, Date.now())
  throw new CliError('QIP_CLI_USAGE', {
    reason: span === undefined ? 'a window must have an end' : '`--for` and `--until` say the same',
    next: 'say how long with `--for 2h`, or until when with `--until 2026-11-22T10:00:00Z`',
  })
}

function kindOf(text: string): string {
  const kind = windowKinds.find((each) => each === text)
  if (kind !== undefined) return kind
  throw new CliError('QIP_CLI_USAGE', {
    reason: `\`${text.slice(0, 32)}\` is no kind of window`,
    next: `use one of ${windowKinds.join(', ')}`,
  })
}

function tellOpened(output: Output, window: AnswerReader): void {
  const number = window.integer('number')
  const services = namesText(window.texts('services', 256), 'all services')
  const until = formatMoment(window.integer('untilMs'), Date.now())
  const isOpen = window.text('state') === 'open'
  const begins = isOpen ? '' : ` from ${formatTime(window.integer('fromMs'))}`
  output.line(
    tone('good', 'ok'),
    `window ${number}: alerts of ${services} are silent${begins} until ${until}`,
  )
  output.line('  next:', `qip window close ${number}`)
}

async function listWindows(output: Output, options: ListOptions): Promise<void> {
  const operation = 'the windows'
  const target = `/v1/windows${options.all === true ? '?all=true' : ''}`
  const json = await askJson(options, { operation, method: 'GET', target })
  output.show(json, () => {
    const windows = new AnswerReader(json, operation).objects('windows', windowsMax)
    if (windows.length === 0) {
      output.line(tone('good', 'none'), tone('dim', 'is open or scheduled'))
      return
    }
    output.table(
      ['number', 'kind', 'state', 'from', 'until', 'services', 'owner', 'reason'],
      windows.map((window) => [
        String(window.integer('number')),
        window.text('kind'),
        stateCell(window.text('state')),
        formatTime(window.integer('fromMs')),
        formatTime(window.integer('untilMs')),
        namesText(window.texts('services', 256), 'all'),
        window.text('owner'),
        window.text('reason'),
      ]),
    )
  })
}

function stateCell(state: string): Cell {
  return state === 'open' ? tone('warn', state) : tone('dim', state)
}

function showWindow(output: Output, window: AnswerReader): void {
  const nowMs = Date.now()
  output.line(
    tone('strong', `window ${window.integer('number')}`),
    window.text('kind'),
    stateCell(window.text('state')),
  )
  const closed = numberOf(window, 'closedMs')
  output.facts([
    ['services', namesText(window.texts('services', 256), 'all')],
    ['from', formatMoment(window.integer('fromMs'), nowMs)],
    ['until', formatMoment(window.integer('untilMs'), nowMs)],
    ['reason', window.text('reason')],
    ['owner', window.text('owner')],
    ['declared', `${formatMoment(window.integer('openedMs'), nowMs)}, by ${window.text('openedBy')}`],
    closed === undefined
      ? undefined
      : ['closed', `${formatMoment(closed, nowMs)}, by ${textOf(window, 'closedBy')}`],
  ])
}
