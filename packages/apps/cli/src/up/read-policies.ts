import type { CompiledPolicy } from '@quantum-ip/policy'
import { readPolicyFile } from '../lib/policy-file.ts'

/** Reads the policies of a configuration, by name. */
export async function readPolicies(files: readonly string[]): Promise<ReadonlyMap<string, CompiledPolicy>> {
  const read = await Promise.all(files.map((file) => readPolicyFile(file)))
  return new Map(read.map((policy) => [policy.identity.name, policy]))
}
