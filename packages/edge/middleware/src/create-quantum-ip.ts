import { builtinPolicy, type CompiledPolicy, compilePolicy, parsePolicy } from '@quantum-ip/policy'
import { assembleQuantumIp, isCompiled, type QuantumIp, type QuantumIpParts } from './quantum-ip.ts'

/** What {@link createQuantumIp} is made of: nothing of it is opened here. */
export interface QuantumIpOptions extends Omit<QuantumIpParts, 'policy'> {
  /** A compiled policy, or a document as YAML would give it. Default: verified callers pass, everybody else is refused. */
  readonly policy?: CompiledPolicy | object
}

/**
 * Verification inside a service, out of parts that are there already: a verifier, a policy, a decision log. `openQuantumIp`
 * opens these parts, too.
 *
 * @throws {BaseError} for a service that is no service ID.
 * @throws {PolicyError} for a policy that is none.
 * @throws {TypeError} for a peer in `clientCertificates` that is neither an address nor a CIDR block.
 */
export function createQuantumIp(options: QuantumIpOptions): QuantumIp {
  return assembleQuantumIp({ ...options, policy: compiledPolicy(options.policy) })
}

/** A policy that may be a document still. */
export function compiledPolicy(policy: CompiledPolicy | object | undefined): CompiledPolicy {
  if (policy === undefined) return builtinPolicy
  return isCompiled(policy) ? policy : compilePolicy(parsePolicy(policy))
}
