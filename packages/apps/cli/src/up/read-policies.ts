import type { Config } from '@quantum-ip/http'
import type { CompiledPolicy } from '@quantum-ip/policy'
import { CliError } from '../cli-errors.ts'
import { readPolicyFile } from '../lib/policy-file.ts'

/**
 * Reads the policies of a configuration's files, by name.
 *
 * @throws {CliError} `QIP_CLI_USAGE` if one of them is also to come from the authority: nobody could say which one holds
 */
export async function readPolicies({
  files,
  authority,
}: Config['policies']): Promise<ReadonlyMap<string, CompiledPolicy>> {
  const read = await Promise.all(files.map((file) => readPolicyFile(file)))
  const both = read.find(({ identity }) => authority.includes(identity.name))
  if (both !== undefined) {
    throw new CliError('QIP_CLI_USAGE', {
      reason: `policy \`${both.identity.name}\` is in a file of \`policies.files\` and in \`policies.authority\``,
      next: 'take it out of one of the two: one place says what holds',
    })
  }
  return new Map(read.map((policy) => [policy.identity.name, policy]))
}
