import type { AnswerReader } from '@quantum-ip/client'
import { type Cell, type Output, tone } from './output.ts'
import { textOf } from './text-of.ts'
import { formatMoment, formatSpan } from './times.ts'

const incidentsMax = 1_000
const stepsMax = 10_000

/** A severity in its colour. */
export function severityCell(severity: string): Cell {
  return tone(severity === 'critical' ? 'bad' : severity === 'major' ? 'warn' : 'dim', severity)
}

/** Names, or that it is all of them. */
export function namesText(names: readonly string[], all: string): string {
  return names.length === 0 ? all : names.join(', ')
}

/** One line about what an incident is now. */
export function tellIncident(output: Output, incident: AnswerReader, what: string): void {
  const number = incident.integer('number')
  output.line(
    tone('good', 'ok'),
    `incident ${number} ${what}:`,
    severityCell(incident.text('severity')),
    incident.text('title'),
  )
}

/** The incidents of a list. */
export function showIncidents(output: Output, answer: AnswerReader, all: boolean): void {
  const incidents = answer.objects('incidents', incidentsMax)
  if (incidents.length === 0) {
    output.line(tone('good', 'none'), tone('dim', all ? '' : 'that is open; all of them with --all'))
    return
  }
  const nowMs = Date.now()
  output.table(
    ['number', 'severity', 'state', 'opened', 'services', 'commander', 'title'],
    incidents.map((incident) => [
      String(incident.integer('number')),
      severityCell(incident.text('severity')),
      incident.text('state'),
      `${formatSpan(nowMs - incident.integer('openedMs'))} ago`,
      namesText(incident.texts('services', 256), 'all'),
      textOf(incident, 'commander'),
      incident.text('title'),
    ]),
  )
  output.line('  next:', 'qip incident show <number>')
}

/** An incident with its timeline. */
export function showIncident(output: Output, incident: AnswerReader): void {
  const nowMs = Date.now()
  const number = incident.integer('number')
  const events = incident.list('events', stepsMax).map(String)
  output.line(
    tone('strong', `incident ${number}`),
    severityCell(incident.text('severity')),
    incident.text('state'),
    incident.text('title'),
  )
  const [resolution, rootCause, commander] = ['resolution', 'rootCause', 'commander'].map((name) =>
    textOf(incident, name),
  )
  output.facts([
    ['services', namesText(incident.texts('services', 256), 'all')],
    ['regions', namesText(incident.texts('regions', 64), 'all')],
    ['opened', `${formatMoment(incident.integer('openedMs'), nowMs)}, by ${incident.text('openedBy')}`],
    commander === '' ? ['commander', tone('warn', 'nobody')] : ['commander', commander ?? ''],
    rootCause === '' ? undefined : ['root cause', rootCause ?? ''],
    events.length === 0 ? undefined : ['security events', `${events.join(', ')}: qip events show <number>`],
    resolution === '' ? undefined : ['resolution', resolution ?? ''],
  ])
  output.line(tone('strong', 'timeline'))
  output.facts(
    incident.objects('timeline', stepsMax).map((step) => {
      const note = step.text('note')
      const what = `${step.text('act')} by ${step.text('actor')}${note === '' ? '' : `: ${note}`}`
      return [formatMoment(step.integer('timeMs'), nowMs), what]
    }),
  )
  output.line('  next:', `qip incident show ${number} --report`)
}
