import type { Reason, Status } from '@quantum-ip/verifier'

/** What is done with a request. */
export type Action = 'allow' | 'reject' | 'quarantine'

/**
 * Whether decisions are carried out.
 *
 * - `monitor`: decide, record, let through
 * - `canary`: carry out for a stable share of authenticated identities; of routes where there is no identity
 * - `enforce`: carry out
 */
export type PolicyMode = 'monitor' | 'canary' | 'enforce'

/** Where a quarantined request goes: to a named upstream, or on to the service within a limit. */
export type Quarantine =
  | {
      readonly kind: 'upstream'
      /** Name of a quarantine upstream in the configuration of the enforcement point. */
      readonly upstream: string
    }
  | { readonly kind: 'limit'; readonly ratePerS: number; readonly concurrency: number }
  | {
      readonly kind: 'share'
      /** Percent of the service's own limits. */
      readonly percent: number
    }

/** What a rule or a default does, and how far it may reach. */
export interface Consequence {
  readonly action: Action
  /** Let through now, check the attestation after the reply. Only with `allow`. */
  readonly deferred: boolean
  /** `null`: the quarantine of the whole policy. */
  readonly quarantine: Quarantine | null
}

/** One rule: the first one whose condition holds decides. */
export interface Rule extends Consequence {
  readonly name: string
  /** A condition in CEL over the facts; `null` where `reasons` alone say when. */
  readonly when: string | null
  /** The reasons that the rule is about, by name; `null`: any that need no name. */
  readonly reasons: readonly Reason[] | null
  /** Whether callers without a proven identity are let through by name. Only with `allow`. */
  readonly anonymous: boolean
}

/**
 * Breaks the glass: decides before the rules, until its end, for what the rules would refuse. It may do what a rule of its action may
 * do, and no more: what a rule has to name, an exception has to name.
 */
export interface PolicyException extends Rule {
  /** Always with a condition: an exception for everything would be another policy. */
  readonly when: string
  readonly action: 'allow' | 'quarantine'
  /** Who answers for it: a person or a team. */
  readonly owner: string
  /** Why it is there. */
  readonly reason: string
  /** From then on it holds no more, milliseconds since 1970, a whole second. */
  readonly expiresMs: number
}

/**
 * An engine beside CEL that is asked where no rule decides. It can do no more than a rule: `reasons` and `anonymous` name what it may let
 * through or quarantine besides verified callers.
 */
export interface EngineClause {
  /** Name of an engine in the configuration of the enforcement point. */
  readonly name: string
  readonly reasons: readonly Reason[] | null
  readonly anonymous: boolean
  /** `null`: the quarantine of the whole policy. */
  readonly quarantine: Quarantine | null
  /** While it does not answer: reject, or fail open to the policy's defaults. */
  readonly onUnavailable: 'reject' | 'default'
}

/** What happens where no rule decides: by reason where one is named, else by status. */
export interface Defaults {
  readonly byStatus: Readonly<Record<Status, Consequence>>
  readonly byReason: Readonly<Partial<Record<Reason, Consequence>>>
}

/** A policy as {@link parsePolicy} read it: every key known, every value of its form. */
export interface PolicyDocument {
  readonly name: string
  /** A positive integer that grows with each change. */
  readonly version: number
  readonly description: string | null
  readonly mode: PolicyMode
  /** Percent, above 0 and at most 100, in steps of 0.01; `null` in the other modes. */
  readonly canaryPercent: number | null
  /** Whether the defaults may let callers without a proven identity through. */
  readonly anonymous: boolean
  readonly quarantine: Quarantine
  readonly exceptions: readonly PolicyException[]
  readonly rules: readonly Rule[]
  readonly engine: EngineClause | null
  readonly defaults: Defaults
}

/**
 * Where the value at a path stands in the text, for error messages. The reader of the text knows it; a
 * policy takes an already-read value.
 */
export type Locate = (path: string) => { readonly line: number; readonly column: number } | undefined
