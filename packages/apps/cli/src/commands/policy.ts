import { type CodedError, isQipError, type JsonObject } from '@quantum-ip/base'
import { newPolicy, newPolicyTests } from '@quantum-ip/policy'
import { basename } from 'node:path'
import type { Command } from 'commander'
import { CliError } from '../cli-errors.ts'
import type { Outcome } from '../exit-codes.ts'
import { answer, newAnswer, newCommand } from '../lib/command.ts'
import { showCheck } from '../lib/faults.ts'
import { exceptionWarnings } from '../lib/exception-warnings.ts'
import { writeText } from '../lib/files.ts'
import type { Run } from '../lib/io.ts'
import { type Output, type OutputOptions, tone } from '../lib/output.ts'
import { plural } from '../lib/plural.ts'
import { testsFileOf } from '../lib/policy-tests-file.ts'
import { policyReplayCommand } from './policy-replay.ts'
import { policyTestCommand } from './policy-test.ts'
import { inFile, readPolicyFile } from '../lib/policy-file.ts'
import { diffCommand } from './policy-diff.ts'
import { exceptCommand } from './policy-except.ts'
import { promoteCommand, rollbackCommand } from './policy-promote.ts'
import { publishCommand } from './policy-publish.ts'
import { historyCommand, listCommand, showCommand, statusCommand } from './policy-show.ts'

interface NewOptions extends OutputOptions {
  readonly out?: string
  readonly tests?: boolean
}

/** `qip policy`. */
export function policyCommand(run: Run): Command {
  const create = newAnswer(
    'new',
    'write a new policy in mode monitor: it decides and records, and lets everything through',
  )
    .argument('[name]', 'the name of the policy', 'default')
    .option('-o, --out <file>', 'the file to write; without one, it is printed')
    .option('--tests', 'with --out: write a table of tests beside it, too')
    .action((name: string, options: NewOptions) => {
      return answer(run, options, (output) => writePolicy(output, name, options))
    })
  const check = newAnswer('check', 'check policies: keys, conditions and their types')
    .argument('<files...>', 'YAML files')
    .action((files: readonly string[], options: OutputOptions) => {
      return answer(run, options, (output) => checkPolicies(output, files))
    })
  return [
    create,
    check,
    policyTestCommand(run),
    policyReplayCommand(run),
    listCommand(run),
    showCommand(run),
    publishCommand(run),
    diffCommand(run),
    statusCommand(run),
    historyCommand(run),
    promoteCommand(run),
    rollbackCommand(run),
    exceptCommand(run),
  ].reduce(
    (command, each) => command.addCommand(each),
    newCommand('policy', 'write, check, test, replay, publish and roll out policies'),
  )
}

async function writePolicy(output: Output, name: string, { out, tests = false }: NewOptions): Promise<void> {
  const content = policyText(name)
  if (out === undefined) {
    if (tests) throw testsWithoutOut()
    output.show({ name, policy: content }, () => output.line(content.trimEnd()))
    return
  }
  await writeText({ path: out, what: 'policy', content, secret: true })
  const beside = tests ? testsFileOf(out) : undefined
  if (beside !== undefined) {
    await writeText({
      path: beside,
      what: 'table of tests',
      content: newPolicyTests(basename(out)),
      secret: true,
    })
  }
  output.show({ name, file: out, ...(beside !== undefined && { tests: beside }) }, () => {
    for (const file of [out, beside]) if (file !== undefined) output.line(tone('good', 'written'), file)
    output.line('  next:', beside === undefined ? `qip policy check ${out}` : `qip policy test ${out}`)
  })
}

function testsWithoutOut(): CliError {
  return new CliError('QIP_CLI_USAGE', {
    reason: '`--tests` writes a file beside the policy',
    next: 'add `--out <file>`',
  })
}

function policyText(name: string): string {
  try {
    return newPolicy(name)
  } catch (cause) {
    if (!(cause instanceof TypeError)) throw cause
    throw new CliError('QIP_CLI_USAGE', {
      reason: `\`${name.slice(0, 64)}\` is ${cause.message.split(':')[0] ?? ''}`,
      next: 'use a-z, 0-9, `-`, `_` and `.`, at most 63 characters',
    })
  }
}

async function checkPolicies(output: Output, files: readonly string[]): Promise<Outcome> {
  const faults: CodedError[] = []
  const policies: JsonObject[] = []
  const good: string[] = []
  const warnings: string[] = []
  for (const file of files) {
    try {
      const { document } = await readPolicyFile(file)
      const { name, version, mode, rules, exceptions } = document
      policies.push({ file, name, version, mode, rules: rules.length, exceptions: exceptions.length })
      good.push(`${name} version ${version}: ${plural(rules.length, 'rule', 'rules')}, mode ${mode}`)
      warnings.push(...exceptionWarnings(document, Date.now()))
    } catch (error) {
      if (!isQipError(error) || isQipError(error, 'QIP_CLI_FILE_UNREADABLE')) throw error
      faults.push(inFile(error, file))
    }
  }
  return showCheck(output, {
    what: files.length === 1 ? `\`${files[0] ?? ''}\`` : 'the policies',
    faults,
    good: good.join('\n   '),
    warnings,
    facts: { policies },
  })
}
