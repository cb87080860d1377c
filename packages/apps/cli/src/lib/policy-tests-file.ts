import { basename, dirname, join } from 'node:path'
import { readYaml } from '@quantum-ip/http'
import { locateIn, type CompiledPolicy, parsePolicyTests, type PolicyTests } from '@quantum-ip/policy'
import { readText } from './files.ts'
import { readPolicyFile } from './policy-file.ts'

/** A table of cases with the policy that it is about. */
export interface TestedPolicy {
  readonly policyFile: string
  readonly testsFile: string
  readonly policy: CompiledPolicy
  readonly tests: PolicyTests
}

/** The table beside a policy: `shop.tests.yaml` beside `shop.policy.yaml` or `shop.yaml`. */
export function testsFileOf(policyFile: string): string {
  const stem = basename(policyFile).replace(/(?:\.policy)?\.(?:ya?ml|json)$/, '')
  return join(dirname(policyFile), `${stem}.tests.yaml`)
}

/**
 * Reads a policy and its table of cases, given either of the two.
 *
 * @throws {CliError} `QIP_CLI_FILE_UNREADABLE`
 * @throws {HttpError} `QIP_HTTP_YAML_MALFORMED`
 * @throws {PolicyError} for what is no policy or no table, with line and column
 */
export async function readTestedPolicy(file: string): Promise<TestedPolicy> {
  if (!isTestsFile(file)) {
    const testsFile = testsFileOf(file)
    return {
      policyFile: file,
      testsFile,
      policy: await readPolicyFile(file),
      tests: await readTests(testsFile),
    }
  }
  const tests = await readTests(file)
  const stem = file.replace(/\.tests\.ya?ml$/, '')
  const policyFile = tests.policy === null ? `${stem}.policy.yaml` : join(dirname(file), tests.policy)
  return { policyFile, testsFile: file, policy: await readPolicyFile(policyFile), tests }
}

function isTestsFile(file: string): boolean {
  return /\.tests\.ya?ml$/.test(file)
}

async function readTests(path: string): Promise<PolicyTests> {
  const yaml = readYaml(await readText({ path, what: 'table of tests' }), { source: path })
  return parsePolicyTests(yaml.value, { locate: locateIn(yaml) })
}
