import { type CodedError, isQipError, type JsonObject } from '@quantum-ip/base'
import { CliError } from '../cli-errors.ts'
import type { Outcome } from '../exit-codes.ts'
import { type Output, tone } from './output.ts'

/** Runs a check, and returns what it refuses as a list of one. */
export async function faultsOf(check: () => unknown): Promise<readonly CodedError[]> {
  try {
    await check()
    return []
  } catch (error) {
    if (isQipError(error)) return [error]
    throw error
  }
}

/** What was checked, what is wrong with it, and what to say where nothing is. */
export interface CheckReport {
  /** In sentences: `quantum-ip.yaml`. */
  readonly what: string
  readonly faults: readonly CodedError[]
  readonly good: string
  /** What is good, and probably not meant: sentences. */
  readonly warnings?: readonly string[]
  /** Further members of the JSON answer. */
  readonly facts?: JsonObject
}

/** Shows the outcome of a check: every fault with what to do about it. */
export function showCheck(
  output: Output,
  { what, faults, good, warnings = [], facts = {} }: CheckReport,
): Outcome {
  if (faults.length === 0) {
    output.show({ ok: true, ...facts, warnings: [...warnings] }, () => {
      output.line(tone('good', 'ok'), good)
      for (const warning of warnings) output.line(tone('warn', 'but'), warning)
    })
    return 'ok'
  }
  const failed = new CliError('QIP_CLI_CHECK_FAILED', { what, count: faults.length })
  const list = faults.map(({ code, message, next }) => ({ code, message, next: next ?? null }))
  const { code, message, next = null } = failed
  output.show({ ok: false, code, message, next, ...facts, faults: list }, () => {
    for (const fault of faults) {
      output.line(tone('bad', 'wrong'), fault.message)
      if (fault.next !== undefined) output.line('  next:', fault.next)
    }
    output.line('')
    output.line(message)
  })
  return 'no'
}
