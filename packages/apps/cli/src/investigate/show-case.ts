import { type Cell, type Output, tone } from '../lib/output.ts'
import { plural } from '../lib/plural.ts'
import { formatMoment, formatSpan, formatTime } from '../lib/times.ts'
import { caseJson } from './case-json.ts'
import type { Conclusion, Outcome } from './conclusion.ts'
import type { Examined } from './examine-case.ts'
import { type Moment, timelineOf } from './timeline.ts'
import { touchedBy } from './touched.ts'

/** What `qip investigate` ends with. */
export interface ShownCase {
  readonly examined: Examined
  readonly conclusion: Conclusion
  /** From the command to the conclusion. */
  readonly tookMs: number
  readonly nowMs: number
  readonly exported: ExportedCase | undefined
}

/** A case file that was written. */
export interface ExportedCase {
  readonly path: string
  /** SHA-256 over all of it, hexadecimal. */
  readonly digest: string
  /** Whether the authority has the digest among the acts of operators. */
  readonly isNoted: boolean
}

/** Shows a timeline, whom it touched, the conclusion, what is not known, and what comes next. */
export function showCase(output: Output, shown: ShownCase): void {
  const { examined, conclusion, tookMs, exported } = shown
  const json = {
    ...caseJson(examined, conclusion),
    timeToConfirmMs: tookMs,
    exported: exported === undefined ? null : { ...exported },
  }
  output.show(json, () => {
    showSubject(output, examined)
    showTimeline(output, timelineOf(examined))
    showTouched(output, examined)
    showConclusion(output, conclusion)
    output.line('')
    output.line(
      tone('strong', `${verbs[conclusion.outcome]} in ${formatSpan(tookMs)}`),
      tone('dim', 'from the command to the conclusion'),
    )
    if (exported !== undefined) {
      output.line(tone('good', 'written'), exported.path)
      output.facts([['digest', `sha256:${exported.digest}`]])
      const where = exported.isNoted
        ? '  the digest is noted among the acts of operators; note it in the incident, too'
        : '  note the digest in the incident: it names all of the file, also what nobody signed'
      output.line(tone('dim', where))
    }
    for (const command of conclusion.next)
      if (exported === undefined || !command.includes(' --export ')) output.line('  next:', command)
    if (exported !== undefined)
      output.line('  next:', `qip investigate verify ${exported.path} --root <thumbprint>`)
  })
}

const verbs: Readonly<Record<Outcome, string>> = {
  contradicted: 'confirmed',
  revoked: 'confirmed',
  clean: 'confirmed',
  unknown: 'not decided',
}

/** What is looked into, and as of when. */
export function showSubject(output: Output, { of, focus, asOfMs, seq, epoch }: Examined): void {
  const { kind, value } = of.subject
  output.line(tone('strong', kind), kind === 'build' ? `sha256:${value}` : value)
  output.facts([
    ...focus.builds
      .filter((build) => build !== value)
      .map((build, at) => [at === 0 ? 'builds' : '', `sha256:${build}`] as const),
    ...focus.services
      .filter((service) => service !== value)
      .map((service, at) => [at === 0 ? 'ran as' : '', service] as const),
    ['as of', `${formatMoment(asOfMs, of.collectedMs)}: signed state ${seq}, epoch ${epoch}`],
  ])
}

const toneOf = { good: 'good', bad: 'bad', warn: 'warn' } as const
const marks = { proven: 'proven', reported: 'reported', fails: 'fails' } as const

/** Moments by day, each with its time, chapter and standing, aligned. */
export function showTimeline(output: Output, moments: readonly Moment[]): void {
  output.line('')
  output.line(tone('strong', 'timeline'))
  if (moments.length === 0) output.line(tone('dim', '  nothing is known'))
  const chapterWidth = Math.max(0, ...moments.map(({ chapter }) => chapter.length))
  let day = ''
  for (const moment of moments) {
    const [date = '', time = ''] =
      moment.timeMs === 0 ? ['at an unknown time', ''] : formatTime(moment.timeMs).split(' ')
    if (date !== day) output.line(tone('dim', `  ${date}`))
    day = date
    output.line(
      `  ${time.padEnd(9)}`,
      tone('accent', moment.chapter.padEnd(chapterWidth)),
      markOf(moment),
      textOf(moment),
      refOf(moment),
    )
  }
}

function markOf({ standing }: Moment): Cell {
  const text = marks[standing].padEnd(8)
  return standing === 'reported' ? tone('dim', text) : tone(standing === 'proven' ? 'good' : 'bad', text)
}

function textOf({ text, tone: of }: Moment): Cell {
  return of === 'plain' ? text : tone(toneOf[of], text)
}

function refOf({ ref }: Moment): Cell {
  return ref === undefined ? '' : tone('dim', `(${ref})`)
}

const partiesMax = 10

function showTouched(output: Output, examined: Examined): void {
  const { services, callers, requests } = touchedBy(examined)
  if (services.length === 0 && requests.length === 0) return
  output.line('')
  const { total, requests: count } = examined.decisions
  output.line(
    tone('strong', 'touched'),
    tone(
      'dim',
      `${plural(total, 'decision', 'decisions')}, for about ${plural(count, 'request', 'requests')}`,
    ),
  )
  output.table(
    ['  party', 'name', 'passed', 'refused'],
    [
      ...services
        .slice(0, partiesMax)
        .map((row) => ['  service', row.name, String(row.passed), String(row.refused)]),
      ...callers
        .slice(0, partiesMax)
        .map((row) => ['  caller', row.name, String(row.passed), String(row.refused)]),
    ],
  )
  const more = services.length + callers.length - 2 * partiesMax
  if (more > 0 && Math.max(services.length, callers.length) > partiesMax)
    output.line(tone('dim', '  and more: all with --json'))
  const newest = requests.slice(0, 5)
  if (newest.length === 0) return
  output.table(
    ['  decision', 'trace', 'reason', 'action'],
    newest.map(({ decision, traceId, reason, action }) => [`  ${decision}`, traceId ?? '–', reason, action]),
  )
}

const outcomeTones = { contradicted: 'bad', revoked: 'warn', clean: 'good', unknown: 'warn' } as const

/** The conclusion in words, what it rests on, and what it cannot know. */
export function showConclusion(output: Output, { outcome, text, findings, gaps }: Conclusion): void {
  output.line('')
  output.line(tone(outcomeTones[outcome], outcome), tone('strong', text))
  for (const finding of findings.filter((each) => each.text !== text)) {
    const mark =
      finding.speaks === 'for'
        ? tone('good', '  for    ')
        : tone(finding.speaks === 'against' ? 'bad' : 'warn', `  ${finding.speaks.padEnd(7)}`)
    output.line(mark, finding.text)
  }
  if (gaps.length === 0) return
  output.line(tone('dim', 'not known'))
  for (const gap of gaps) output.line(tone('dim', '  –'), gap)
}
