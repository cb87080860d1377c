import type { EngineFault, FactName } from '@quantum-ip/policy'
import { OpaError } from './opa-errors.ts'

/** How a question to an engine ended. */
export type OpaOutcome = 'decided' | 'silent' | 'cached' | EngineFault

/** What both kinds of engines have. */
export interface OpaOptions {
  /** The document that decides, `quantum_ip/decision`: of a server its path below `/v1/data`, of a module the name of its entry point. */
  readonly path: string
  /** Facts that are sent; absent: all of them. */
  readonly facts?: readonly FactName[] | undefined
  /** Hears how each question ended. Must not throw. */
  readonly onAnswer?: ((outcome: OpaOutcome) => void) | undefined
}

/** @throws {OpaError} `QIP_OPA_OPTION_INVALID` */
export function checkPath(path: string): void {
  if (/^[A-Za-z_]\w*(?:\/[A-Za-z_]\w*){0,15}$/.test(path)) return
  const reason = `is \`${path.slice(0, 64)}\`, which is no path such as \`quantum_ip/decision\``
  throw new OpaError('QIP_OPA_OPTION_INVALID', { option: 'path', reason })
}

/** @throws {OpaError} `QIP_OPA_OPTION_INVALID` */
export function checkNumber(
  option: string,
  value: number,
  { min, max }: { readonly min: number; readonly max: number },
): number {
  if (Number.isInteger(value) && value >= min && value <= max) return value
  throw new OpaError('QIP_OPA_OPTION_INVALID', {
    option,
    reason: `is not a whole number from ${min} to ${max}`,
  })
}
