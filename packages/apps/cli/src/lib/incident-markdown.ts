import type { AnswerReader } from '@quantum-ip/client'
import { numberOf } from './number-of.ts'
import { plural } from './plural.ts'
import { textOf } from './text-of.ts'
import { formatSpan, formatTime } from './times.ts'

const rowsMax = 10_000

/**
 * A postmortem in Markdown, as far as the authority can write it: the requirement's list of what to review, each with what was
 * recorded. What people have to add is asked for at the end.
 */
export function incidentMarkdown(report: AnswerReader): string {
  const incident = report.object('incident')
  return [
    ...headOf(report, incident),
    ...timelineOf(report),
    ...decisionsOf(report),
    ...eventsOf(report),
    ...keysOf(report),
    ...attestationsOf(report),
    ...policiesOf(report),
    ...actsOf(report),
    ...windowsOf(report),
    ...questionsOf(incident),
  ].join('\n')
}

function headOf(report: AnswerReader, incident: AnswerReader): readonly string[] {
  const [openedMs, closedMs] = [incident.integer('openedMs'), numberOf(incident, 'closedMs')]
  const services = report.objects('services', rowsMax)
  const regions = incident.texts('regions', rowsMax)
  return [
    `# Incident ${incident.integer('number')}: ${plain(incident.text('title'))}`,
    '',
    `- severity: **${incident.text('severity')}**, state: ${incident.text('state')}`,
    `- opened ${formatTime(openedMs)} by ${plain(incident.text('openedBy'))}; commander: ${plain(textOf(incident, 'commander') || 'nobody')}`,
    closedMs === undefined
      ? '- still open'
      : `- closed ${formatTime(closedMs)} by ${plain(textOf(incident, 'closedBy'))}, after ${formatSpan(closedMs - openedMs)}: ${plain(textOf(incident, 'resolution'))}`,
    `- root cause: ${code(textOf(incident, 'rootCause')) || 'not known'}`,
    `- regions: ${regions.length === 0 ? 'all' : regions.map((region) => plain(region)).join(', ')}`,
    `- this report covers ${formatTime(report.integer('fromMs'))} to ${formatTime(report.integer('untilMs'))}, from 15 minutes before it was opened`,
    '',
    plain(incident.text('summary')),
    '',
    '## Services',
    '',
    ...table(
      ['service', 'owner', 'tier', 'stage'],
      services.map((service) => ['id', 'owner', 'tier', 'stage'].map((name) => textOf(service, name))),
    ),
  ]
}

function timelineOf(report: AnswerReader): readonly string[] {
  return [
    '## Timeline',
    '',
    ...table(
      ['time', 'who', 'what', 'note'],
      report
        .objects('timeline', rowsMax)
        .map((step) => [time(step, 'timeMs'), step.text('actor'), step.text('act'), step.text('note')]),
    ),
  ]
}

function decisionsOf(report: AnswerReader): readonly string[] {
  const suppressed = report.objects('suppressed', rowsMax)
  return [
    '## Verification during the incident',
    '',
    `Decision records stand for ${plural(report.integer('requests'), 'request', 'requests')} of all services; \`qip decisions\` lists them.`,
    '',
    ...table(
      ['service', 'reason', 'action', 'requests', 'records'],
      report
        .objects('decisions', rowsMax)
        .map((group) => [
          textOf(group, 'service'),
          textOf(group, 'reason'),
          textOf(group, 'action'),
          String(group.integer('requests')),
          String(group.integer('count')),
        ]),
    ),
    ...(suppressed.length === 0
      ? []
      : [
          'Not kept by enforcement points, over the cap of their reason:',
          '',
          ...table(
            ['point', 'reason', 'records'],
            suppressed.map((each) => [
              each.text('point'),
              each.text('reason'),
              String(each.integer('count')),
            ]),
          ),
        ]),
  ]
}

function eventsOf(report: AnswerReader): readonly string[] {
  return [
    '## Security events',
    '',
    ...table(
      ['event', 'time', 'severity', 'kind', 'about', 'state', 'reports', 'of this incident'],
      report
        .objects('securityEvents', rowsMax)
        .map((event) => [
          String(event.integer('number')),
          time(event, 'timeMs'),
          event.text('severity'),
          event.text('kind'),
          event.text('subject'),
          event.text('state'),
          String(event.integer('reports')),
          event.flag('linked') ? 'yes' : '',
        ]),
    ),
  ]
}

function keysOf(report: AnswerReader): readonly string[] {
  return [
    '## Rotations of keys',
    '',
    ...table(
      ['rotation', 'key', 'began', 'new key signs', 'ended', 'outcome', 'cause', 'asked by', 'detail'],
      report
        .objects('rotations', rowsMax)
        .map((rotation) => [
          String(rotation.integer('number')),
          rotation.text('use'),
          time(rotation, 'startedMs'),
          time(rotation, 'activatedMs'),
          time(rotation, 'endedMs'),
          textOf(rotation, 'outcome') || rotation.text('phase'),
          rotation.text('cause'),
          rotation.text('askedBy'),
          textOf(rotation, 'detail'),
        ]),
    ),
    '## Revocations',
    '',
    ...table(
      ['epoch', 'time', 'kind', 'what', 'reason'],
      report
        .objects('revocations', rowsMax)
        .map((record) => [
          String(record.integer('epoch')),
          formatTime(record.integer('time') * 1_000),
          record.text('kind'),
          record.text('value'),
          record.text('reason'),
        ]),
    ),
  ]
}

function attestationsOf(report: AnswerReader): readonly string[] {
  const attestations = report.object('attestations')
  const count = attestations.integer('registered')
  const first = numberOf(attestations, 'firstMs')
  const span = first === undefined ? '' : `, from ${formatTime(first)} to ${time(attestations, 'lastMs')}`
  return ['## Attestations', '', `${plural(count, 'was', 'were')} registered${span}.`, '']
}

function policiesOf(report: AnswerReader): readonly string[] {
  return [
    '## Policy changes',
    '',
    ...table(
      ['time', 'policy', 'rollout', 'what', 'in force', 'candidate', 'who', 'reason'],
      report
        .objects('policies', rowsMax)
        .map((rollout) => [
          time(rollout, 'timeMs'),
          rollout.text('policy'),
          String(rollout.integer('number')),
          rollout.text('action'),
          `version ${rollout.object('active').integer('version')}`,
          rollout.has('candidate') ? `version ${rollout.object('candidate').integer('version')}` : '',
          rollout.text('by'),
          rollout.text('reason'),
        ]),
    ),
  ]
}

function actsOf(report: AnswerReader): readonly string[] {
  return [
    '## Who did what',
    '',
    ...table(
      ['time', 'who', 'act', 'detail'],
      report
        .objects('acts', rowsMax)
        .map((act) => [time(act, 'timeMs'), act.text('operator'), act.text('act'), act.text('detail')]),
    ),
  ]
}

function windowsOf(report: AnswerReader): readonly string[] {
  return [
    '## Windows in which alerts were silent',
    '',
    ...table(
      ['window', 'kind', 'from', 'until', 'closed', 'services', 'owner', 'reason'],
      report
        .objects('windows', rowsMax)
        .map((window) => [
          String(window.integer('number')),
          window.text('kind'),
          time(window, 'fromMs'),
          time(window, 'untilMs'),
          time(window, 'closedMs'),
          window.texts('services', rowsMax).join(', ') || 'all',
          window.text('owner'),
          window.text('reason'),
        ]),
    ),
  ]
}

function questionsOf(incident: AnswerReader): readonly string[] {
  return [
    '## To be answered',
    '',
    `- What was the impact on users, and on the error budgets? \`qip slo\` shows them.`,
    `- How was it found: by an alert, by an event, by a person? How long did that take?`,
    `- What was decided, and on what grounds? What would have made it shorter?`,
    `- Were metrics, traces and decision records there when they were needed?`,
    `- What changes now, who does it, until when?${textOf(incident, 'rootCause') === '' ? ' First of all: what was the root cause?' : ''}`,
  ]
}

function time(row: AnswerReader, name: string): string {
  const ms = numberOf(row, name)
  return ms === undefined ? '' : formatTime(ms)
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): readonly string[] {
  if (rows.length === 0) return ['none', '']
  return [tableLine(head), `|${'---|'.repeat(head.length)}`, ...rows.map((row) => tableLine(row)), '']
}

function tableLine(cells: readonly string[]): string {
  return `| ${cells.map((cell) => plain(cell)).join(' | ')} |`
}

// Operators and members choose these texts: none of them makes a table, a heading or a link out of itself.
function plain(text: string): string {
  return text
    .replaceAll(/[\p{C}\s]+/gu, ' ')
    .replaceAll(/[\\|`*_[\]<>#]/g, String.raw`\$&`)
    .trim()
}

function code(text: string): string {
  return text === '' ? '' : `\`${text.replaceAll('`', '')}\``
}
