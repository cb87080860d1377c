import type { Action } from './document.ts'
import type { Facts } from './facts.ts'

/**
 * Why an engine gave no answer.
 *
 * - `timeout`: not in time
 * - `unreachable`: nobody there, or the connection broke
 * - `busy`: as many questions are open as may be
 * - `failed`: it answered with an error of its own
 * - `malformed`: its answer is no decision
 */
export type EngineFault = 'timeout' | 'unreachable' | 'busy' | 'failed' | 'malformed'

/** What an engine says of a request. */
export type EngineAnswer =
  | {
      readonly kind: 'decided'
      readonly action: Action
      /** What the engine names as its rule, if it names one. */
      readonly rule: string | null
    }
  /** Nothing: the policy's defaults decide. */
  | { readonly kind: 'silent' }
  | { readonly kind: 'unavailable'; readonly fault: EngineFault }

/**
 * Something beside CEL that decides over facts: an Open Policy Agent. A policy asks it after its own rules (`spec.engine`).
 *
 * Never throws or rejects: what goes wrong is an answer of kind `unavailable`.
 */
export interface PolicyEngine {
  ask(facts: Facts): EngineAnswer | Promise<EngineAnswer>
  close(): Promise<void>
}
