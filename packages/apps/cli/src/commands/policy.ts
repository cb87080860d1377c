import { type CodedError, isQipError, type JsonObject } from '@quantum-ip/base'
import { newPolicy } from '@quantum-ip/policy'
import type { Command } from 'commander'
import { CliError } from '../cli-errors.ts'
import type { Outcome } from '../exit-codes.ts'
import { answer, newAnswer, newCommand } from '../lib/command.ts'
import { showCheck } from '../lib/faults.ts'
import { exceptionWarnings } from '../lib/exception-warnings.ts'
import { writeText } from '../lib/files.ts'
import type { Run } from '../lib/io.ts'
import { type Output, type OutputOptions, tone } from '../lib/output.ts'
import { inFile, readPolicyFile } from '../lib/policy-file.ts'

interface NewOptions extends OutputOptions {
  readonly out?: string
}

/** `qip policy new|check`. */
export function policyCommand(run: Run): Command {
  const create = newAnswer(
    'new',
    'write a new policy in mode monitor: it decides and records, and lets everything through',
  )
    .argument('[name]', 'the name of the policy', 'default')
    .option('-o, --out <file>', 'the file to write; without one, it is printed')
    .action((name: string, options: NewOptions) => {
      return answer(run, options, (output) => writePolicy(output, name, options.out))
    })
  const check = newAnswer('check', 'check policies: keys, conditions and their types')
    .argument('<files...>', 'YAML files')
    .action((files: readonly string[], options: OutputOptions) => {
      return answer(run, options, (output) => checkPolicies(output, files))
    })
  return newCommand('policy', 'write and check policies').addCommand(create).addCommand(check)
}

async function writePolicy(output: Output, name: string, out: string | undefined): Promise<void> {
  const content = policyText(name)
  if (out !== undefined) await writeText({ path: out, what: 'policy', content, secret: true })
  output.show({ name, ...(out === undefined ? { policy: content } : { file: out }) }, () => {
    if (out === undefined) {
      output.line(content.trimEnd())
      return
    }
    output.line(tone('good', 'written'), out)
    output.line('  next:', `qip policy check ${out}`)
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
      good.push(`${name} version ${version}: ${rules.length} rules, mode ${mode}`)
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
