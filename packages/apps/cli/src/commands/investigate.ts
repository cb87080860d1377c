import { stat } from 'node:fs/promises'
import { type Command, Option } from 'commander'
import { CliError } from '../cli-errors.ts'
import type { Outcome } from '../exit-codes.ts'
import { readArtifact } from '../lib/artifact.ts'
import { requestJson, type Requester } from '@quantum-ip/client'
import { askAuthority } from '../lib/authority.ts'
import { type TrustOptions, withTrust } from '../lib/authority-options.ts'
import { readPins } from '../lib/authority-trust.ts'
import { answer, newAnswer, parseWord } from '../lib/command.ts'
import { readText, writeText } from '../lib/files.ts'
import { findDecision } from '../lib/find-decision.ts'
import type { Run } from '../lib/io.ts'
import { readTokenArgument } from '../lib/read-secret.ts'
import type { Output } from '../lib/output.ts'
import { formatSpan, parseSince } from '../lib/times.ts'
import { hex, isQipError, type JsonObject, parseServiceId, trustDomainName } from '@quantum-ip/base'
import { type Case, formatCase } from '../investigate/case-file.ts'
import { collectCase } from '../investigate/collect-case.ts'
import { concludeCase } from '../investigate/conclusion.ts'
import { examineCase } from '../investigate/examine-case.ts'
import { type ExportedCase, showCase } from '../investigate/show-case.ts'
import { parseSubject, type Subject, type SubjectKind, subjectKinds } from '../investigate/subject.ts'
import { readRecordKey } from './ledger-open.ts'
import { investigateVerifyCommand } from './investigate-verify.ts'

interface InvestigateOptions extends TrustOptions {
  readonly kind?: SubjectKind
  readonly since?: string
  readonly until?: string
  readonly limit: string
  readonly evidence?: string
  readonly as?: string
  readonly keyFile?: string
  readonly export?: string
}

/** What stands on the command line. */
interface Asked {
  readonly text: string
  readonly options: InvestigateOptions
}

const limitMax = 1_000

/** `qip investigate`: what happened around a build, service, key, decision or token, and whether anything speaks against it. */
export function investigateCommand(run: Run): Command {
  const command = newAnswer(
    'investigate',
    'build the timeline of a build, service, key, decision or token, and say what speaks against it',
  )
    .enablePositionalOptions()
    .argument(
      '<subject>',
      'a digest (sha256:…) or file, service ID, key, decision ID, token (- for stdin), its place (tokens/1/42), or identifier',
    )
    .addOption(
      new Option('--kind <kind>', 'what it is, where its form does not say').choices([...subjectKinds]),
    )
    .option('--evidence <file>', 'the evidence file that came with the build')
    .option('--as <service>', 'the service that the build is to run as: whether a rule lets it')
    .option('--since <time>', 'only decisions from then on: a time, or how long ago, such as 1h')
    .option('--until <time>', 'only decisions before then')
    .option('--limit <n>', `so many decisions whole, up to ${limitMax}; all of them are counted`, '20')
    .option(
      '--key-file <file>',
      "the key custodian's private key: opens what the tokens that are named were issued for",
    )
    .option('--export <file>', 'write a case file, which verifies offline: `qip investigate verify <file>`')
  return withTrust(command)
    .action((subject: string, options: InvestigateOptions) =>
      answer(run, options, (output) => investigate(run, output, { text: subject, options })),
    )
    .addCommand(investigateVerifyCommand(run))
}

async function investigate(run: Run, output: Output, { text, options }: Asked): Promise<Outcome> {
  const startedMs = performance.now()
  const nowMs = Date.now()
  const subject = withService(await readSubject(await readTokenArgument(run, text), options.kind), options.as)
  const evidence =
    options.evidence === undefined
      ? undefined
      : await readText({ path: options.evidence, what: 'evidence file' })
  const record = subject.kind === 'decision' ? await recordOf(subject.value, options) : undefined
  await using asked = await askAuthority(options)
  const { td, pins, pinned } = await readPins(asked, options)
  const investigated = await collectCase(withOrigin(subject, td), {
    requester: asked.requester,
    trustDomain: td,
    pins,
    pinned,
    record,
    recordKey: options.keyFile === undefined ? undefined : await readRecordKey(options.keyFile),
    evidence,
    sinceMs: options.since === undefined ? undefined : parseSince(options.since, nowMs),
    untilMs: options.until === undefined ? undefined : parseSince(options.until, nowMs),
    limit: parseLimit(options.limit),
    nowMs,
    progress: (what) => output.progress(`${formatSpan(performance.now() - startedMs)}: ${what}`),
  })
  const examined = await examineCase(investigated, pins)
  const conclusion = concludeCase(examined)
  output.progressDone()
  const exported =
    options.export === undefined ? undefined : await exportCase(options.export, investigated, asked.requester)
  const tookMs = Math.round(performance.now() - startedMs)
  showCase(output, { examined, conclusion, tookMs, nowMs, exported })
  return conclusion.outcome === 'clean' ? 'ok' : 'no'
}

/** A file stands for the build that it is. */
async function readSubject(text: string, kind: SubjectKind | undefined): Promise<Subject> {
  const isFile = (kind === undefined || kind === 'build') && (await isThere(text))
  return isFile ? { kind: 'build', value: hex((await readArtifact(text)).build) } : parseSubject(text, kind)
}

function withService(subject: Subject, service: string | undefined): Subject {
  if (service === undefined) return subject
  if (subject.kind !== 'build') throw new CliError('QIP_CLI_USAGE', { reason: '--as is for builds' })
  return { ...subject, as: parseWord('--as', () => parseServiceId(service)) }
}

/** `tokens/3/42` is short for `<trust domain>/tokens/3/42`. */
function withOrigin(subject: Subject, td: string): Subject {
  if (subject.kind !== 'token' || !subject.value.startsWith('tokens/')) return subject
  return { ...subject, value: `${trustDomainName(td)}/${subject.value}` }
}

async function isThere(path: string): Promise<boolean> {
  return stat(path).then(
    (found) => found.isFile(),
    () => false,
  )
}

/** The enforcement point has the newest ones; what neither it nor the authority has is lacking, which the case says. */
async function recordOf(id: string, options: InvestigateOptions): Promise<JsonObject | undefined> {
  try {
    return (await findDecision(id, options)).record
  } catch (error) {
    if (isQipError(error, 'QIP_CLI_NOT_FOUND')) return undefined
    throw error
  }
}

/** Writes a case, and has its digest noted among the acts of operators, where whoever has the file cannot change it. */
async function exportCase(path: string, investigated: Case, requester: Requester): Promise<ExportedCase> {
  const { text, digest } = formatCase(investigated)
  await writeText({ path, what: 'case file', content: text })
  const { kind, value } = investigated.subject
  try {
    const json = { digest, kind, value }
    await requestJson(requester, {
      operation: 'the note of a case',
      method: 'POST',
      target: '/v1/investigations/cases',
      json,
    })
    return { path, digest, isNoted: true }
  } catch (error) {
    // A case is no worse for that, and an authority of before does not know the route.
    if (isQipError(error)) return { path, digest, isNoted: false }
    throw error
  }
}

function parseLimit(text: string): number {
  const limit = Number(text)
  if (/^\d{1,4}$/.test(text) && limit >= 1 && limit <= limitMax) return limit
  throw new CliError('QIP_CLI_USAGE', { reason: `--limit is a number from 1 to ${limitMax}` })
}
