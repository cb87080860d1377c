import { QipError, type ErrorTable } from '@quantum-ip/base'

/** A place in a policy document: the path of a value and, where its reader knows it, line and column from 1. */
export interface Place {
  /** For example `spec.rules[2].when`. */
  readonly path: string
  readonly line?: number
  readonly column?: number
}

/** The codes of `@quantum-ip/policy`. */
export interface PolicyErrorDetails {
  /** A key that a policy does not have. */
  QIP_POLICY_KEY_UNKNOWN: { readonly at: Place; readonly key: string; readonly nearest: string | undefined }
  /** A key that must be there is not. */
  QIP_POLICY_KEY_MISSING: { readonly at: Place; readonly key: string; readonly example: string }
  /** A value is not of the form that its key takes. */
  QIP_POLICY_VALUE_INVALID: {
    readonly at: Place
    readonly expected: string
    readonly nearest?: string | undefined
  }
  /** A document, list or text is larger than a policy may be. */
  QIP_POLICY_LIMIT_EXCEEDED: { readonly at: Place; readonly what: string; readonly limit: number }
  /** A request would be let through that must be let through by name only, and the name is not there. */
  QIP_POLICY_NOT_NAMED: { readonly at: Place; readonly reason: string; readonly next: string }
  /** A condition is not CEL, or uses a part of CEL that policies do not have. */
  QIP_POLICY_CONDITION_MALFORMED: { readonly at: Place; readonly offset: number; readonly reason: string }
  /** A condition names a fact that is not in the schema of facts. */
  QIP_POLICY_FACT_UNKNOWN: {
    readonly at: Place
    readonly offset: number
    readonly fact: string
    readonly nearest: string | undefined
  }
  /** A condition asks `has()` of a fact: every fact is always present. */
  QIP_POLICY_HAS_REFUSED: { readonly at: Place; readonly offset: number; readonly instead: string }
  /** A condition calls a function that policies do not have. */
  QIP_POLICY_FUNCTION_UNKNOWN: {
    readonly at: Place
    readonly offset: number
    readonly name: string
    readonly nearest: string | undefined
  }
  /** The types in a condition do not fit, or a fact is used where it may be null. */
  QIP_POLICY_CONDITION_TYPE: {
    readonly at: Place
    readonly offset: number
    readonly reason: string
    readonly next?: string | undefined
  }
}

function where({ path, line, column }: Place): string {
  if (path === '') return 'in the policy'
  return line === undefined ? `at \`${path}\`` : `at \`${path}\` (line ${line}, column ${column ?? 1})`
}

function inCondition(details: { readonly at: Place; readonly offset: number }): string {
  return `${where(details.at)}, character ${details.offset + 1}`
}

function didYouMean(nearest: string | undefined): string | undefined {
  return nearest === undefined ? undefined : `did you mean \`${nearest}\`?`
}

const policyErrors: ErrorTable<PolicyErrorDetails> = {
  QIP_POLICY_KEY_UNKNOWN: {
    fault: 'caller',
    message: ({ at, key, nearest }) => {
      const hint = nearest === undefined ? '' : `, the nearest known one is \`${nearest}\``
      return `unknown key \`${key}\` ${where(at)}${hint}`
    },
    next: ({ nearest }) => didYouMean(nearest) ?? 'remove the key',
  },
  QIP_POLICY_KEY_MISSING: {
    fault: 'caller',
    message: ({ at, key }) => `\`${key}\` is missing ${where(at)}`,
    next: ({ example }) => `write for example \`${example}\``,
  },
  QIP_POLICY_VALUE_INVALID: {
    fault: 'caller',
    message: ({ at, expected }) => `invalid value ${where(at)}: expected ${expected}`,
    next: ({ nearest }) => didYouMean(nearest) ?? 'see the reference of policies',
  },
  QIP_POLICY_LIMIT_EXCEEDED: {
    fault: 'caller',
    message: ({ at, what, limit }) => `more than ${limit} ${what} ${where(at)}`,
    next: () => 'split the policy by route, or say the same in less',
  },
  QIP_POLICY_NOT_NAMED: {
    fault: 'caller',
    message: ({ at, reason }) => `${reason} ${where(at)}`,
    next: ({ next }) => next,
  },
  QIP_POLICY_CONDITION_MALFORMED: {
    fault: 'caller',
    message: (details) => `malformed condition ${inCondition(details)}: ${details.reason}`,
  },
  QIP_POLICY_FACT_UNKNOWN: {
    fault: 'caller',
    message: (details) => {
      const hint = details.nearest === undefined ? '' : `, the nearest known one is \`${details.nearest}\``
      return `unknown fact \`${details.fact}\` ${inCondition(details)}${hint}`
    },
    next: ({ nearest }) => didYouMean(nearest) ?? 'see the reference of facts',
  },
  QIP_POLICY_HAS_REFUSED: {
    fault: 'caller',
    message: (details) => `\`has()\` ${inCondition(details)}: every fact is always present`,
    next: ({ instead }) => `write ${instead}`,
  },
  QIP_POLICY_FUNCTION_UNKNOWN: {
    fault: 'caller',
    message: (details) => {
      const hint = details.nearest === undefined ? '' : `, the nearest known one is \`${details.nearest}\``
      return `unknown function \`${details.name}\` ${inCondition(details)}${hint}`
    },
    next: ({ nearest }) => didYouMean(nearest) ?? 'see the reference of conditions',
  },
  QIP_POLICY_CONDITION_TYPE: {
    fault: 'caller',
    message: (details) => `wrong type ${inCondition(details)}: ${details.reason}`,
    next: ({ next }) => next ?? 'see the reference of facts for their types',
  },
}

/** Thrown where a policy document or one of its conditions is refused, before it ever decides anything. */
export class PolicyError<Code extends keyof PolicyErrorDetails = keyof PolicyErrorDetails> extends QipError<
  PolicyErrorDetails,
  Code
> {
  constructor(code: Code, details: PolicyErrorDetails[Code], options?: ErrorOptions) {
    super(policyErrors, code, details, options)
  }
}
