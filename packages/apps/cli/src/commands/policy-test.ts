import type { JsonObject } from '@quantum-ip/base'
import {
  type CaseOutcome,
  type PolicyTestReport,
  type RuleExplanation,
  runPolicyTests,
} from '@quantum-ip/policy'
import type { Command } from 'commander'
import { CliError } from '../cli-errors.ts'
import type { Outcome } from '../exit-codes.ts'
import { answer, newAnswer } from '../lib/command.ts'
import type { Run } from '../lib/io.ts'
import { type Output, type OutputOptions, tone } from '../lib/output.ts'
import { plural } from '../lib/plural.ts'
import { readTestedPolicy } from '../lib/policy-tests-file.ts'

interface TestOptions extends OutputOptions {
  readonly allRules?: boolean
}

interface TestedFile {
  readonly file: string
  readonly report: PolicyTestReport
}

/** `qip policy test`: the table of cases beside a policy. */
export function policyTestCommand(run: Run): Command {
  return newAnswer(
    'test',
    'decide the cases of tables beside policies, and say where a policy does something else',
  )
    .argument('<files...>', 'policies (shop.policy.yaml, with shop.tests.yaml beside), or tables of tests')
    .option('--all-rules', 'fail, too, if a rule or an exception decides in no case')
    .action((files: readonly string[], options: TestOptions) => {
      return answer(run, options, (output) => testPolicies(output, files, options.allRules ?? false))
    })
}

async function testPolicies(output: Output, files: readonly string[], allRules: boolean): Promise<Outcome> {
  const tested: TestedFile[] = []
  for (const file of files) {
    const { testsFile, policy, tests } = await readTestedPolicy(file)
    tested.push({ file: testsFile, report: runPolicyTests(policy, tests) })
  }
  const failed = tested.flatMap(({ report }) =>
    report.outcomes.filter(({ differences }) => differences.length > 0),
  )
  const missing = tested.flatMap(({ report }) => unreachedOf(report))
  const count = failed.length + (allRules ? missing.length : 0)
  const facts = { files: tested.map((one) => fileJson(one)) }
  if (count === 0) {
    output.show({ ok: true, ...facts }, () => {
      showFiles(output, tested)
    })
    return 'ok'
  }
  const what = files.length === 1 ? `\`${files[0] ?? ''}\`` : 'the policies'
  const { code, message } = new CliError('QIP_CLI_CHECK_FAILED', { what, count })
  output.show({ ok: false, code, message, ...facts }, () => {
    showFiles(output, tested)
    output.line('')
    output.line(message)
  })
  return 'no'
}

function unreachedOf({ unreached }: PolicyTestReport): readonly string[] {
  return [
    ...unreached.exceptions.map((name) => `exception ${name}`),
    ...unreached.rules.map((name) => `rule ${name}`),
  ]
}

function fileJson({ file, report }: TestedFile): JsonObject {
  const { name, version } = report.policy
  return {
    file,
    policy: { name, version },
    cases: report.outcomes.map(({ name: title, decided, differences }) => ({
      name: title,
      ok: differences.length === 0,
      decided: { ...decided },
      differences: differences.map((difference) => ({ ...difference })),
    })),
    unreached: { rules: [...report.unreached.rules], exceptions: [...report.unreached.exceptions] },
  }
}

function showFiles(output: Output, tested: readonly TestedFile[]): void {
  for (const { file, report } of tested) showFile(output, file, report)
}

function showFile(output: Output, file: string, report: PolicyTestReport): void {
  const { name, version } = report.policy
  output.line(tone('strong', `${name} version ${version}`), tone('dim', file))
  const width = Math.max(...report.outcomes.map((outcome) => outcome.name.length), 0)
  for (const outcome of report.outcomes) showCase(output, outcome, width)
  const passed = report.outcomes.filter(({ differences }) => differences.length === 0).length
  const missing = unreachedOf(report)
  output.line(tone('dim', `  ${passed} of ${plural(report.outcomes.length, 'case', 'cases')} as expected`))
  if (missing.length > 0) output.line(' ', tone('warn', 'but'), `no case is decided by ${missing.join(', ')}`)
}

function showCase(output: Output, outcome: CaseOutcome, width: number): void {
  const { name, decided, differences, explanation } = outcome
  const good = differences.length === 0
  const by = decided.exception ?? decided.rule ?? decided.reason
  output.line(
    ' ',
    tone(good ? 'good' : 'bad', good ? 'ok  ' : 'FAIL'),
    name.padEnd(width),
    tone('dim', `${decided.action}, by ${by}`),
  )
  for (const { key, expected, decided: found } of differences) {
    output.line(
      '      ',
      `${key}:`,
      tone('good', `- ${expected ?? 'none'}`),
      tone('bad', `+ ${found ?? 'none'}`),
    )
  }
  if (explanation === null) return
  for (const rule of [...explanation.exceptions, ...explanation.rules]) showRule(output, rule)
}

function showRule(output: Output, { name, outcome, when, facts, error }: RuleExplanation): void {
  const values = Object.entries(facts).map(([fact, value]) => `${fact} = ${JSON.stringify(value)}`)
  output.line('      ', tone('dim', `${outcome.padEnd(8)} ${name}${when === null ? '' : `: ${when}`}`))
  if (values.length > 0 && outcome !== 'silent')
    output.line('               ', tone('dim', values.join(', ')))
  if (error !== null) output.line('               ', tone('bad', error))
}
