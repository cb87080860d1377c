import { stat } from 'node:fs/promises'
import { resolve } from 'node:path'
import type { Config } from '@quantum-ip/http'
import type { Command } from 'commander'
import { checklistNames, runChecklist } from '../checklist/run-checklist.ts'
import { showChecklist } from '../checklist/show-checklist.ts'
import { CliError } from '../cli-errors.ts'
import { checkJson, type CheckOutcome, type DoctorCheck } from '../doctor/check.ts'
import { parseWay } from '../doctor/hops.ts'
import { runDoctor } from '../doctor/run-doctor.ts'
import type { Outcome } from '../exit-codes.ts'
import { askAuthority } from '../lib/authority.ts'
import { type AuthorityOptions, withAuthority } from '../lib/authority-options.ts'
import { answer, newAnswer, several } from '../lib/command.ts'
import { readText } from '../lib/files.ts'
import type { Run } from '../lib/io.ts'
import { type Output, type Tone, tone } from '../lib/output.ts'
import { pointSocket } from '../lib/point-socket.ts'
import { parseSpan } from '../lib/times.ts'

interface DoctorCommandOptions extends AuthorityOptions {
  readonly hop?: readonly string[]
  readonly serviceCa?: string
  readonly point?: string
  readonly timeout: string
  readonly checklist?: string
  readonly prometheus?: string
}

/** `qip doctor <url>`: sends probes through the real path, and says what is lost at which hop. */
export function doctorCommand(run: Run): Command {
  const command = newAnswer(
    'doctor',
    'send probes through the real path: what is lost or cut, and at which hop',
  )
    .argument('[url]', 'of the service, as its clients call it; a gateway answers, the service is not called')
    .option(
      '--hop <name=url>',
      'a place on the way, from the outside to the gateway: lb=http://10.0.0.4 (once for each)',
      several,
    )
    .option('--service-ca <file>', 'PEM certificates to trust for the service and the hops')
    .option(
      '--point <address>',
      "the operators' socket of a gateway here, unix:/path (default: of the configuration)",
    )
    .option('--timeout <duration>', 'for each probe', '10s')
    .option('--checklist <name>', `in place of a URL: go through a checklist, ${checklistNames.join(', ')}`)
    .option('--prometheus <url>', 'with --checklist: ask it whether it scrapes, and has the alerts')
  return withAuthority(command).action((url: string | undefined, options: DoctorCommandOptions) =>
    answer(run, options, (output) =>
      options.checklist === undefined
        ? examine(output, url, options)
        : goThrough(output, options.checklist, { ...options, url }),
    ),
  )
}

async function examine(
  output: Output,
  url: string | undefined,
  options: DoctorCommandOptions,
): Promise<Outcome> {
  if (url === undefined)
    throw new CliError('QIP_CLI_USAGE', {
      reason: 'nothing to look at',
      next: 'name the URL of a service: `qip doctor https://shop.acme.example/`, or a --checklist',
    })
  const way = parseWay(url, options.hop ?? [])
  const { serviceCa } = options
  await using asked = await askAuthority(options)
  const point = options.point ?? (await configuredPoint(asked.config))
  const checks = await runDoctor({
    way,
    ...(point !== undefined && { point }),
    asked,
    timeoutMs: parseSpan(options.timeout),
    progress: (text) => output.progress(text),
    ...(serviceCa !== undefined && {
      serviceCa: await readText({ path: serviceCa, what: 'file of certificates' }),
    }),
  })
  output.progressDone()
  const ok = checks.every(({ outcome }) => outcome !== 'fail')
  output.show({ ok, counts: countsOf(checks), checks: checks.map((check) => checkJson(check)) }, () => {
    showChecks(output, checks)
  })
  return ok ? 'ok' : 'no'
}

async function goThrough(
  output: Output,
  wanted: string,
  options: DoctorCommandOptions & { readonly url: string | undefined },
): Promise<Outcome> {
  if (options.url !== undefined)
    throw new CliError('QIP_CLI_USAGE', {
      reason: 'a checklist sends no probes, so that a URL says nothing to it',
      next: 'leave out the URL or `--checklist`: they are two commands, one after the other',
    })
  const name = checklistNames.find((known) => known === wanted)
  if (name === undefined)
    throw new CliError('QIP_CLI_USAGE', {
      reason: `there is no checklist \`${wanted.slice(0, 32)}\``,
      next: `one of ${checklistNames.join(', ')}`,
    })
  const { prometheus } = options
  await using asked = await askAuthority(options)
  const checklist = await runChecklist(name, {
    asked,
    nowMs: Date.now(),
    ...(prometheus !== undefined && { prometheus }),
  })
  return showChecklist(output, name, checklist)
}

async function configuredPoint(config: Config | undefined): Promise<string | undefined> {
  if (config === undefined || config.gateway.routes.length + config.gateway.flows.length === 0)
    return undefined
  const path = pointSocket(config)
  const isThere = await stat(path).then(
    (found) => found.isSocket(),
    () => false,
  )
  return isThere ? `unix:${resolve(path)}` : undefined
}

function countsOf(checks: readonly DoctorCheck[]): Record<CheckOutcome, number> {
  const count = (wanted: CheckOutcome): number => checks.filter(({ outcome }) => outcome === wanted).length
  return { ok: count('ok'), warn: count('warn'), fail: count('fail'), open: count('open') }
}

const tones: Readonly<Record<CheckOutcome, Tone>> = { ok: 'good', warn: 'warn', fail: 'bad', open: 'dim' }

/** A row for each check; below those that are not good, what to do. */
function showChecks(output: Output, checks: readonly DoctorCheck[]): void {
  const names = widthOf(checks.map(({ name }) => name))
  const hops = widthOf(checks.map(({ hop = '' }) => hop))
  for (const { name, outcome, hop = '', seen, next, runbook } of checks) {
    output.line(
      tone(tones[outcome], outcome.padEnd(4)),
      name.padEnd(names),
      tone('strong', hop.padEnd(hops)),
      seen,
    )
    if (outcome === 'ok') continue
    if (next !== undefined) output.line('    ', tone('dim', 'next:'), next)
    if (runbook !== undefined) output.line('    ', tone('dim', 'runbook:'), runbook)
  }
}

function widthOf(values: readonly string[]): number {
  return Math.max(0, ...values.map(({ length }) => length))
}
