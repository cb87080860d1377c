import type { JsonObject } from '@quantum-ip/base'
import { AnswerReader } from '@quantum-ip/client'
import { incidentSeverities } from '@quantum-ip/telemetry'
import type { Command } from 'commander'
import { CliError } from '../cli-errors.ts'
import { askJson } from '../lib/ask-json.ts'
import { type AuthorityOptions, withAuthority } from '../lib/authority-options.ts'
import { answer, newAnswer, newCommand, several } from '../lib/command.ts'
import { incidentMarkdown } from '../lib/incident-markdown.ts'
import { showIncident, showIncidents, tellIncident } from '../lib/incident-text.ts'
import type { Run } from '../lib/io.ts'

interface OpenOptions extends AuthorityOptions {
  readonly severity: string
  readonly service?: readonly string[]
  readonly region?: readonly string[]
  readonly summary?: string
  readonly rootCause?: string
  readonly commander?: string
  readonly event?: readonly string[]
}

interface NoteOptions extends AuthorityOptions {
  readonly severity?: string
  readonly rootCause?: string
  readonly commander?: string
  readonly event?: readonly string[]
}

interface CloseOptions extends AuthorityOptions {
  readonly resolution: string
}

interface ListOptions extends AuthorityOptions {
  readonly all?: boolean
}

interface ShowOptions extends AuthorityOptions {
  readonly report?: boolean
}

/** `qip incident open|note|close|list|show`. */
export function incidentCommand(run: Run): Command {
  return newCommand('incident', 'open and close incidents, write down what happens, report on them')
    .addCommand(openCommand(run))
    .addCommand(noteCommand(run))
    .addCommand(closeCommand(run))
    .addCommand(listCommand(run))
    .addCommand(showCommand(run))
}

function openCommand(run: Run): Command {
  const open = newAnswer('open', 'open an incident: sampling rises in the whole fleet while it is open')
    .argument('<title>', 'what is the matter, in a few words')
    .requiredOption('--severity <severity>', `one of ${incidentSeverities.join(', ')}`)
    .option('--service <id>', 'a service that is affected (several; default: all)', several)
    .option('--region <name>', 'a region that is affected (several; default: all)', several)
    .option('--summary <text>', 'what is known')
    .option('--root-cause <id>', 'the `root_cause` label of the alerts')
    .option('--commander <name>', 'who leads the work on it')
    .option('--event <number>', 'a security event that belongs to it (several)', several)
  return withAuthority(open).action((title: string, options: OpenOptions) =>
    answer(run, options, async (output) => {
      const { service, region, summary, ...known } = options
      const json = {
        title,
        ...changeOf(known),
        ...(service !== undefined && { services: [...service] }),
        ...(region !== undefined && { regions: [...region] }),
        ...(summary !== undefined && { summary }),
      }
      const operation = 'to open an incident'
      const opened = await askJson(options, { operation, method: 'POST', target: '/v1/incidents', json })
      output.show(opened, () => tellIncident(output, new AnswerReader(opened, operation), 'is open'))
    }),
  )
}

function noteCommand(run: Run): Command {
  const note = newAnswer('note', 'write down what happens, and what is known better now')
    .argument('<number>', 'of the incident')
    .argument('<text>', 'for the timeline')
    .option('--severity <severity>', `one of ${incidentSeverities.join(', ')}`)
    .option('--root-cause <id>', 'the `root_cause` label of the alerts')
    .option('--commander <name>', 'who leads the work on it from now on')
    .option('--event <number>', 'a security event that belongs to it (several)', several)
  return withAuthority(note).action((number: string, text: string, options: NoteOptions) =>
    answer(run, options, async (output) => {
      const operation = 'to note something about an incident'
      const target = `/v1/incidents/${encodeURIComponent(number)}/notes`
      const json = { note: text, ...changeOf(options) }
      const noted = await askJson(options, { operation, method: 'POST', target, json })
      output.show(noted, () => tellIncident(output, new AnswerReader(noted, operation), 'has a note more'))
    }),
  )
}

function closeCommand(run: Run): Command {
  const close = newAnswer('close', 'say that an incident is over, and how')
    .argument('<number>', 'of the incident')
    .requiredOption('--resolution <text>', 'what ended it, for those who read it later')
  return withAuthority(close).action((number: string, options: CloseOptions) =>
    answer(run, options, async (output) => {
      const operation = 'to close an incident'
      const target = `/v1/incidents/${encodeURIComponent(number)}/close`
      const json = { resolution: options.resolution }
      const closed = await askJson(options, { operation, method: 'POST', target, json })
      output.show(closed, () => {
        tellIncident(output, new AnswerReader(closed, operation), 'is closed')
        output.line('  next:', `qip incident show ${number} --report`)
      })
    }),
  )
}

function listCommand(run: Run): Command {
  const list = newAnswer('list', 'list the incidents that are open').option('--all', 'closed ones too')
  return withAuthority(list).action((options: ListOptions) =>
    answer(run, options, async (output) => {
      const operation = 'the incidents'
      const target = `/v1/incidents${options.all === true ? '' : '?state=open'}`
      const json = await askJson(options, { operation, method: 'GET', target })
      output.show(json, () => showIncidents(output, new AnswerReader(json, operation), options.all === true))
    }),
  )
}

function showCommand(run: Run): Command {
  const show = newAnswer('show', 'show an incident with its timeline')
    .argument('<number>', 'as `qip incident list` shows it')
    .option('--report', 'as Markdown, for a postmortem: with all that the authority knows of that time')
  return withAuthority(show).action((number: string, options: ShowOptions) =>
    answer(run, options, async (output) => {
      const operation = 'an incident'
      const suffix = options.report === true ? '/report' : ''
      const target = `/v1/incidents/${encodeURIComponent(number)}${suffix}`
      const json = await askJson(options, { operation, method: 'GET', target })
      output.show(json, () => {
        if (options.report === true) output.line(incidentMarkdown(new AnswerReader(json, operation)))
        else showIncident(output, new AnswerReader(json, operation))
      })
    }),
  )
}

/** What is known of an incident, as the API takes it. */
function changeOf({ severity, rootCause, commander, event }: NoteOptions): JsonObject {
  return {
    ...(severity !== undefined && { severity: severityOf(severity) }),
    ...(rootCause !== undefined && { rootCause }),
    ...(commander !== undefined && { commander }),
    ...(event !== undefined && { events: event.map((number) => eventOf(number)) }),
  }
}

function severityOf(text: string): string {
  const severity = incidentSeverities.find((each) => each === text)
  if (severity !== undefined) return severity
  throw new CliError('QIP_CLI_USAGE', {
    reason: `\`${text.slice(0, 32)}\` is no severity`,
    next: `use one of ${incidentSeverities.join(', ')}`,
  })
}

function eventOf(text: string): number {
  if (/^[1-9]\d{0,14}$/.test(text)) return Number(text)
  throw new CliError('QIP_CLI_USAGE', {
    reason: `\`${text.slice(0, 32)}\` is no number of a security event`,
    next: '`qip events list` shows them',
  })
}
