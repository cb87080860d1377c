import { access } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
import { type CodedError, isQipError } from '@quantum-ip/base'
import {
  checkConfig,
  type Config,
  configJsonSchema,
  formatConfig,
  listConfig,
  parseConfig,
} from '@quantum-ip/http'
import type { Command } from 'commander'
import { CliError } from '../cli-errors.ts'
import type { Outcome } from '../exit-codes.ts'
import { configWarnings } from '../lib/config-warnings.ts'
import { answer, newAnswer, newCommand } from '../lib/command.ts'
import { faultsOf, showCheck } from '../lib/faults.ts'
import { readText } from '../lib/files.ts'
import type { Run } from '../lib/io.ts'
import type { Output, OutputOptions } from '../lib/output.ts'
import { inFile, readPolicyFile } from '../lib/policy-file.ts'

const configFile = 'quantum-ip.yaml'

/** `qip config check|show`. */
export function configCommand(run: Run): Command {
  const check = newAnswer('check', 'check a configuration, and the policies that it names')
    .argument('[file]', 'the configuration', configFile)
    .action((file: string, options: OutputOptions) =>
      answer(run, options, (output) => checkFile(output, file)),
    )
  const show = newAnswer('show', 'show every effective value, and where it comes from')
    .argument('[file]', 'the configuration; without one, the defaults', configFile)
    .action((file: string, options: OutputOptions) =>
      answer(run, options, (output) => showFile(output, file)),
    )
  const schema = newCommand('schema', 'print the JSON Schema, for editors').action(() => {
    run.stdout.write(`${JSON.stringify(configJsonSchema(), null, 2)}\n`)
  })
  return newCommand('config', 'check and show the configuration')
    .addCommand(check)
    .addCommand(show)
    .addCommand(schema)
}

async function checkFile(output: Output, file: string): Promise<Outcome> {
  const text = await readText({ path: file, what: 'configuration' })
  const faults = await faultsIn(text, file)
  const warnings = faults.length === 0 ? configWarnings(parseConfig(text, file)) : []
  return showCheck(output, {
    what: `\`${file}\``,
    faults,
    good: `${file} is good`,
    warnings,
    facts: { file },
  })
}

async function faultsIn(text: string, file: string): Promise<readonly CodedError[]> {
  try {
    const own = checkConfig(text, file)
    return own.length > 0 ? own : await policyFaults(parseConfig(text, file), file)
  } catch (error) {
    if (isQipError(error)) return [error]
    throw error
  }
}

/** What is wrong with the policies that a configuration names: each file, each name, and each route's choice. */
async function policyFaults(
  { policies, gateway, forwardAuth, extAuthz }: Config,
  file: string,
): Promise<readonly CodedError[]> {
  const faults: CodedError[] = []
  // What the authority publishes is not here to be looked at; that a name is in both places, the schema refuses.
  const names = new Set<string>(policies.authority)
  for (const path of policies.files) {
    const found = await faultsOf(async () => {
      const { identity } = await readPolicyFile(path)
      if (!names.has(identity.name)) names.add(identity.name)
      else throw malformed(file, `two of its policies are called \`${identity.name}\``)
    })
    faults.push(...found.map((fault) => inFile(fault, path)))
  }
  // A file that is wrong may be the one that a route names.
  if (faults.length > 0) return faults
  const named = [
    ...gateway.routes.map(({ policy }, at) => ({ policy, where: `gateway.routes[${at}]` })),
    ...gateway.flows.map(({ policy }, at) => ({ policy, where: `gateway.flows[${at}]` })),
    ...forwardAuth.routes.map(({ policy }, at) => ({ policy, where: `forwardAuth.routes[${at}]` })),
    ...extAuthz.routes.map(({ policy }, at) => ({ policy, where: `extAuthz.routes[${at}]` })),
  ]
  for (const { policy, where } of named) {
    if (policy === undefined || names.has(policy)) continue
    faults.push(
      malformed(
        file,
        `${where} names the policy \`${policy}\`, which neither a file of \`policies.files\` holds nor \`policies.authority\` names`,
      ),
    )
  }
  return faults
}

function malformed(path: string, reason: string): CliError {
  return new CliError('QIP_CLI_FILE_MALFORMED', { path, what: 'good configuration', reason })
}

async function showFile(output: Output, file: string): Promise<Outcome> {
  const text =
    (await exists(file)) || file !== configFile ? await readText({ path: file, what: 'configuration' }) : ''
  const options = { directory: dirname(resolve(file)) }
  const values = listConfig(text, file, options).map(({ path, value, line }) => ({
    path,
    value,
    line: line ?? null,
  }))
  output.show({ file: text === '' ? null : file, values }, () => {
    output.line(formatConfig(text, file, options).trimEnd())
  })
  return 'ok'
}

async function exists(file: string): Promise<boolean> {
  try {
    await access(file)
    return true
  } catch {
    return false
  }
}
