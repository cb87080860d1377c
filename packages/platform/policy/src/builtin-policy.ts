import { type CompiledPolicy, compilePolicy } from './compile-policy.ts'
import { parsePolicy, policyApiVersion } from './parse-policy.ts'

/**
 * The policy of a route that has none: verified callers pass, everything else is refused, and it is enforced.
 *
 * A route is closed until somebody opens it; a token whose deep check is still to come is not enough.
 */
export const builtinPolicy: CompiledPolicy = compilePolicy(
  parsePolicy({
    apiVersion: policyApiVersion,
    kind: 'Policy',
    metadata: { name: 'builtin', version: 1, description: 'Applies to routes without a policy.' },
    spec: {
      mode: 'enforce',
      default: { verified: 'allow', missing: 'reject', invalid: 'reject', unverifiable: 'reject' },
    },
  }),
)
