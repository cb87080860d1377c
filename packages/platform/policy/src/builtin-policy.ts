import { assemblePolicy, type CompiledPolicy } from './assemble-policy.ts'
import { defaultQuarantine } from './default-quarantine.ts'
import type { Consequence } from './document.ts'

const to = (action: 'allow' | 'reject'): Consequence => ({ action, deferred: false, quarantine: null })

/**
 * The policy of a route that has none: verified callers pass, everything else is refused, and it is enforced.
 *
 * A route is closed until somebody opens it; a token whose deep check is still to come is not enough.
 */
export const builtinPolicy: CompiledPolicy = assemblePolicy(
  {
    name: 'builtin',
    version: 1,
    description: 'Applies to routes without a policy.',
    mode: 'enforce',
    canaryPercent: null,
    anonymous: false,
    quarantine: defaultQuarantine,
    exceptions: [],
    rules: [],
    engine: null,
    defaults: {
      byStatus: {
        verified: to('allow'),
        missing: to('reject'),
        invalid: to('reject'),
        unverifiable: to('reject'),
      },
      byReason: {},
    },
  },
  () => {
    throw new TypeError('the built-in policy has no condition')
  },
)
