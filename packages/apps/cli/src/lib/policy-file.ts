import type { CodedError } from '@quantum-ip/base'
import { readYaml } from '@quantum-ip/http'
import { type CompiledPolicy, compileReadPolicy } from '@quantum-ip/policy'
import { readText } from './files.ts'

/**
 * Reads and compiles a policy file: what ends too far ahead is refused, by this machine's clock.
 *
 * @throws {CliError} `QIP_CLI_FILE_UNREADABLE`
 * @throws {HttpError} `QIP_HTTP_YAML_MALFORMED`
 * @throws {PolicyError} for what is no policy, with line and column
 */
export async function readPolicyFile(path: string): Promise<CompiledPolicy> {
  return compileReadPolicy(readYaml(await readText({ path, what: 'policy' }), { source: path }), {
    nowMs: Date.now(),
  })
}

/** A policy's own errors know line and column, but not which of several files they are about: this says it. */
export function inFile(error: CodedError, file: string): CodedError {
  if (!error.code.startsWith('QIP_POLICY_')) return error
  const { code, fault, details, next, name } = error
  return { name, code, fault, details, next, message: `${file}: ${error.message}` }
}
