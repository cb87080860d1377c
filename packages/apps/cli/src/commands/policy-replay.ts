import type { Json } from '@quantum-ip/base'
import { PolicyReplay, type ReplayChange, type ReplayReport } from '@quantum-ip/telemetry'
import type { Command } from 'commander'
import { askAuthority } from '../lib/authority.ts'
import { type AuthorityOptions, withAuthority } from '../lib/authority-options.ts'
import { answer, newAnswer } from '../lib/command.ts'
import type { Run } from '../lib/io.ts'
import { type Output, tone } from '../lib/output.ts'
import { plural } from '../lib/plural.ts'
import { readPolicyFile } from '../lib/policy-file.ts'
import { type Recorded, decisionsOfAuthority, decisionsOfFile } from '../lib/recorded-decisions.ts'
import { formatTime, parseSince } from '../lib/times.ts'

interface ReplayOptions extends AuthorityOptions {
  readonly since: string
  readonly until?: string
  readonly from?: string
  readonly policy?: string
}

/** What was read besides the records that were decided again. */
interface Read {
  readonly replay: PolicyReplay
  suppressed: number
  unreadable: number
  otherPolicy: number
}

/** `qip policy replay`: recorded decisions against a candidate. */
export function policyReplayCommand(run: Run): Command {
  const command = newAnswer(
    'replay',
    'decide recorded decisions again by a candidate: whom it would reject, and by which rule',
  )
    .argument('<candidate>', 'the YAML file of the candidate')
    .option('--since <time>', 'from then on: a time, or how long ago', '1h')
    .option('--until <time>', 'before then')
    .option('--from <file>', 'records of an export, JSON lines, instead of the authority')
    .option('--policy <name>', "decisions that this policy made (default: the candidate's name)")
  return withAuthority(command).action((file: string, options: ReplayOptions) => {
    return answer(run, options, (output) => replayDecisions(output, file, options))
  })
}

async function replayDecisions(output: Output, file: string, options: ReplayOptions): Promise<void> {
  const candidate = await readPolicyFile(file)
  const policy = options.policy ?? candidate.identity.name
  const now = Date.now()
  const sinceMs = parseSince(options.since, now)
  const untilMs = options.until === undefined ? now : parseSince(options.until, now)
  const read: Read = { replay: new PolicyReplay(candidate), suppressed: 0, unreadable: 0, otherPolicy: 0 }
  const span = { sinceMs, untilMs, policy }
  if (options.from !== undefined) await replayAll(output, decisionsOfFile(options.from), read, span)
  else {
    await using asked = await askAuthority(options)
    const query = { since: String(sinceMs), until: String(untilMs), policy }
    await replayAll(output, decisionsOfAuthority(asked.requester, query), read, span)
  }
  const report = read.replay.report()
  const { suppressed, unreadable, otherPolicy } = read
  output.show(
    { policy, ...(report as unknown as Record<string, Json>), suppressed, unreadable, otherPolicy },
    () => showReport(output, report, read, policy),
  )
}

async function replayAll(
  output: Output,
  decisions: AsyncIterable<Recorded>,
  read: Read,
  span: { readonly sinceMs: number; readonly untilMs: number; readonly policy: string },
): Promise<void> {
  for await (const one of decisions) {
    if (one.kind === 'suppressed') read.suppressed += one.count
    else if (one.kind === 'unreadable') read.unreadable++
    else if (one.record.timeMs < span.sinceMs || one.record.timeMs >= span.untilMs) continue
    else if (one.record.policy.name !== span.policy) read.otherPolicy++
    else add(read, one)
    if (read.replay.records % 1_000 === 0) output.progress(`${read.replay.records} decisions`)
  }
  output.progressDone()
}

function add(read: Read, { record }: Extract<Recorded, { kind: 'decision' }>): void {
  try {
    read.replay.add(record)
  } catch {
    // A field of a record is not what its name says: nobody's decision can be drawn from it.
    read.unreadable++
  }
}

function showReport(output: Output, report: ReplayReport, read: Read, policy: string): void {
  const { records, unchanged, changed, requests, notJudged, fromMs, toMs, candidate } = report
  if (fromMs === null || toMs === null) {
    output.line(`no recorded decision of policy ${policy} in that time`)
    showUnknown(output, report, read)
    return
  }
  output.line(
    tone('strong', `${candidate.name} version ${candidate.version}`),
    `over ${plural(records, 'decision', 'decisions')} of policy ${policy}, ${formatTime(fromMs)} to ${formatTime(toMs)}`,
  )
  output.facts([
    ['unchanged', String(unchanged)],
    ['changed', tone(changed === 0 ? 'good' : 'warn', String(changed))],
    notJudged.records === 0 ? undefined : ['not judged', tone('warn', String(notJudged.records))],
    ['stand for', `about ${plural(requests, 'request', 'requests')}: allowed ones are recorded by sample`],
  ])
  for (const change of report.changes) showChange(output, change)
  output.line('')
  showUnknown(output, report, read)
}

const done: Readonly<Record<string, string>> = {
  allow: 'allowed',
  reject: 'rejected',
  quarantine: 'quarantined',
}

function showChange(output: Output, change: ReplayChange): void {
  const { from, to, by, records, requests, callers, topCallers, examples } = change
  output.line('')
  output.line(
    tone(to === 'reject' ? 'bad' : to === 'allow' ? 'good' : 'warn', `${from} → ${to}`),
    tone('strong', `by ${by}:`),
    `${plural(callers, 'caller', 'callers')} would be ${done[to] ?? to}, in ${plural(records, 'record', 'records')}`,
    tone('dim', `(about ${plural(requests, 'request', 'requests')})`),
  )
  output.table(
    ['  caller', 'service', 'records'],
    topCallers.map((row) => [
      `  ${row.caller ?? 'without a proven identity'}`,
      row.service,
      String(row.records),
    ]),
  )
  output.line('  newest:', tone('dim', examples.join(' ')))
}

// A number that leaves something out says so.
function showUnknown(output: Output, { notJudged }: ReplayReport, read: Read): void {
  const lacking = Object.entries(notJudged.facts)
    .map(([fact, count]) => `\`${fact}\` (${count})`)
    .join(', ')
  const judged = notJudged.records - notJudged.engine
  const lines: readonly (readonly [number, string])[] = [
    [judged, `could not be judged: the candidate reads what their records do not have: ${lacking}`],
    [notJudged.engine, 'could not be judged: the candidate leaves them to its engine'],
    [read.suppressed, 'more were not recorded, over the caps of their reasons: nobody knows what they were'],
    [read.otherPolicy, 'were decided by other policies, and left out'],
    [read.unreadable, 'are no records of decisions, and were left out'],
  ]
  for (const [count, what] of lines) if (count > 0) output.line(tone('warn', String(count)), what)
}
