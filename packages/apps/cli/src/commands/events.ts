import { setTimeout as sleep } from 'node:timers/promises'
import type { JsonObject } from '@quantum-ip/base'
import { AnswerReader, requestJson, type Requester } from '@quantum-ip/client'
import type { Command } from 'commander'
import { askAuthority } from '../lib/authority.ts'
import { type AuthorityOptions, withAuthority } from '../lib/authority-options.ts'
import { answer, newAnswer, newCommand } from '../lib/command.ts'
import type { Run } from '../lib/io.ts'
import { type Cell, type Output, tone } from '../lib/output.ts'
import { plural } from '../lib/plural.ts'
import { textOf } from '../lib/text-of.ts'
import { formatMoment, parseSpan } from '../lib/times.ts'

interface ListOptions extends AuthorityOptions {
  readonly all?: boolean
  readonly kind?: string
}

interface FollowOptions extends AuthorityOptions {
  readonly for?: string
}

interface MarkOptions extends AuthorityOptions {
  readonly note?: string
}

const eventsMax = 1_000
const pollMs = 1_000
const head = ['number', 'severity', 'kind', 'state', 'done', 'about', 'seen'] as const

/** `qip events list|show|follow|acknowledge|close`. */
export function eventsCommand(run: Run): Command {
  const list = newAnswer('list', 'list the security events that nobody has closed yet')
    .option('--all', 'closed ones too')
    .option('--kind <kind>', 'only events of this kind')
  const show = newAnswer(
    'show',
    'show one with its proof, what was done, and the decisions that it affects',
  ).argument('<number>', 'as `qip events list` shows it')
  const follow = newAnswer('follow', 'tell of each new event as it is raised, until interrupted').option(
    '--for <duration>',
    'stop after so long',
  )
  withAuthority(list).action((options: ListOptions) =>
    answer(run, options, (output) => asking(options, (requester) => listEvents(output, requester, options))),
  )
  withAuthority(show).action((number: string, options: AuthorityOptions) =>
    answer(run, options, (output) => asking(options, (requester) => showEvent(output, requester, number))),
  )
  withAuthority(follow).action((options: FollowOptions) =>
    answer(run, options, (output) =>
      asking(options, (requester) => followEvents(output, requester, options)),
    ),
  )
  return newCommand('events', 'list, show and follow security events')
    .addCommand(list)
    .addCommand(show)
    .addCommand(follow)
    .addCommand(marking(run, 'acknowledge', 'say that somebody is on it'))
    .addCommand(marking(run, 'close', 'say that it is dealt with'))
}

function marking(run: Run, verb: 'acknowledge' | 'close', summary: string): Command {
  const command = newAnswer(verb, summary)
    .argument('<number>', 'of the event')
    .option('--note <text>', 'why, for those who read it later')
  return withAuthority(command).action((number: string, options: MarkOptions) =>
    answer(run, options, (output) =>
      asking(options, async (requester) => {
        const event = await fetch1(requester, {
          operation: `to ${verb} an event`,
          method: 'POST',
          target: `/v1/events/${encodeURIComponent(number)}/${verb}`,
          json: { ...(options.note !== undefined && { note: options.note }) },
        })
        output.show(event, () => output.line(tone('good', 'ok'), `event ${number} is ${verb}d`))
      }),
    ),
  )
}

async function asking(
  options: AuthorityOptions,
  work: (requester: Requester) => Promise<void>,
): Promise<void> {
  await using asked = await askAuthority(options)
  await work(asked.requester)
}

async function fetch1(requester: Requester, request: Parameters<typeof requestJson>[1]): Promise<JsonObject> {
  return (await requestJson(requester, request)) as JsonObject
}

async function fetchEvents(requester: Requester, query: string) {
  const operation = 'the security events'
  const json = await fetch1(requester, { operation, method: 'GET', target: `/v1/events?${query}` })
  return { json, events: new AnswerReader(json, operation).objects('events', eventsMax) }
}

async function listEvents(
  output: Output,
  requester: Requester,
  { all = false, kind }: ListOptions,
): Promise<void> {
  const query = new URLSearchParams({ limit: String(eventsMax), ...(kind !== undefined && { kind }) })
  const { json, events } = await fetchEvents(requester, query.toString())
  const shown = events.filter((event) => all || event.text('state') !== 'closed')
  output.show(json, () => {
    if (shown.length === 0) {
      output.line(
        tone('good', 'none'),
        tone('dim', all ? '' : 'that nobody has closed; all of them with --all'),
      )
      return
    }
    output.table(
      head,
      shown.map((event) => eventRow(event, Date.now())),
    )
    output.line('  next:', 'qip events show <number>')
  })
}

function eventRow(event: AnswerReader, nowMs: number): readonly Cell[] {
  const severity = event.text('severity')
  const reports = event.integer('reports')
  return [
    String(event.integer('number')),
    tone(severity === 'critical' ? 'bad' : 'warn', severity),
    event.text('kind'),
    event.text('state'),
    doneText(event.text('action')),
    event.text('subject'),
    `${formatMoment(event.integer('lastMs'), nowMs)}${reports > 1 ? ` (${reports} times)` : ''}`,
  ]
}

function doneText(action: string): Cell {
  if (action === 'done') return tone('good', 'revoked')
  return action === 'due' ? tone('bad', 'not yet') : ''
}

async function showEvent(output: Output, requester: Requester, number: string): Promise<void> {
  const operation = 'a security event'
  const target = `/v1/events/${encodeURIComponent(number)}`
  const json = await fetch1(requester, { operation, method: 'GET', target })
  const event = new AnswerReader(json, operation)
  output.show(json, () => {
    output.line(tone('strong', `event ${number}`), event.text('kind'), event.text('state'))
    output.facts([
      ['about', event.text('subject')],
      ['log', textOf(event, 'log')],
      ['raised', formatMoment(event.integer('timeMs'), Date.now())],
      ['reported by', `${event.text('reportedBy')}, ${plural(event.integer('reports'), 'time', 'times')}`],
    ])
    output.line(tone('strong', 'proof'))
    output.facts(Object.entries(json['proof'] as JsonObject).map(([name, value]) => [name, short(value)]))
    output.line(tone('strong', 'what was done'))
    output.facts(event.objects('steps', eventsMax).map((step) => stepRow(step)))
    showAffected(output, event)
  })
}

function stepRow(step: AnswerReader): readonly [string, Cell] {
  const note = step.text('note')
  const what = `${step.text('act')} by ${step.text('actor')}${note === '' ? '' : `: ${note}`}`
  return [formatMoment(step.integer('timeMs'), Date.now()), what]
}

function showAffected(output: Output, event: AnswerReader): void {
  const affected = event.objects('affected', eventsMax)
  output.line(tone('strong', plural(affected.length, 'affected decision', 'affected decisions')))
  if (affected.length === 0) return
  output.table(
    ['decision', 'point', 'service', 'caller', 'action'],
    affected.map((decision) => [
      decision.text('id'),
      decision.text('point'),
      decision.text('service'),
      textOf(decision, 'subject'),
      decision.text('action'),
    ]),
  )
  output.line('  next:', 'qip explain <decision>')
}

/** A staple has thousands of characters: the whole of it is in the JSON. */
function short(value: unknown): string {
  const text = typeof value === 'string' ? value : JSON.stringify(value)
  return text.length <= 96 ? text : `${text.slice(0, 80)}… (${text.length} characters, whole with --json)`
}

async function followEvents(
  output: Output,
  requester: Requester,
  { for: span }: FollowOptions,
): Promise<void> {
  const untilMs = span === undefined ? Number.POSITIVE_INFINITY : performance.now() + parseSpan(span)
  let after = 0
  for (let isFirst = true; ; isFirst = false) {
    const { events } = await fetchEvents(requester, `after=${after}&limit=${eventsMax}`)
    for (const event of events) {
      after = event.integer('number')
      if (!isFirst) tellEvent(output, event)
    }
    // A full answer: there are more that are old already.
    if (events.length === eventsMax) continue
    if (performance.now() >= untilMs) return
    await sleep(Math.min(pollMs, Math.max(1, untilMs - performance.now())))
  }
}

function tellEvent(output: Output, event: AnswerReader): void {
  const [number, severity, kind, subject] = [
    event.integer('number'),
    event.text('severity'),
    event.text('kind'),
    event.text('subject'),
  ]
  output.show({ number, severity, kind, subject }, () => {
    output.line(tone(severity === 'critical' ? 'bad' : 'warn', severity), `event ${number}`, kind, subject)
  })
}
