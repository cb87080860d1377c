import type { CompiledPolicy } from './assemble-policy.ts'
import { compilePolicy } from './compile-policy.ts'
import type { Locate, PolicyMode } from './document.ts'
import { parsePolicy } from './parse-policy.ts'

/** A text that was read, with where each of its values stands: what a reader of YAML gives. */
export interface ReadPolicy {
  readonly value: unknown
  /** Of a path such as `['spec', 'rules', 2, 'when']`. */
  locate(path: readonly (string | number)[]): { readonly line: number; readonly column: number } | undefined
}

/** A mode in place of the one that stands in a policy. */
export interface OtherMode {
  readonly mode: PolicyMode
  /** With `canary`: for which share it is carried out, in hundredths of a percent. */
  readonly share: number
}

/** How a policy is compiled. */
export interface CompileReadOptions {
  /** Default: the mode that stands in it. */
  readonly other?: OtherMode | undefined
  /** For authors: see {@link parsePolicy}. Whoever enforces takes what was published. */
  readonly nowMs?: number
}

/**
 * Compiles a policy that was read, in its own mode or in another one. All that is checked of a policy is checked in that mode:
 * what `monitor` may say, `enforce` may not.
 *
 * @throws {PolicyError} as {@link parsePolicy} and {@link compilePolicy}, with line and column
 */
export function compileReadPolicy(
  read: ReadPolicy,
  { other, nowMs }: CompileReadOptions = {},
): CompiledPolicy {
  const locate = locateIn(read)
  const value = other === undefined ? read.value : withMode(read.value, modeText(other))
  return compilePolicy(parsePolicy(value, { locate, ...(nowMs !== undefined && { nowMs }) }), { locate })
}

/** Finds places in a text: a policy writes `spec.rules[2].when`, the text knows ['spec', 'rules', 2, 'when']. */
export function locateIn(read: Pick<ReadPolicy, 'locate'>): Locate {
  return (path) => {
    const parts = path.match(/[^.[\]]+/g) ?? []
    return read.locate(parts.map((part) => (/^\d+$/.test(part) ? Number(part) : part)))
  }
}

function modeText({ mode, share }: OtherMode): string {
  return mode === 'canary' ? `canary: ${share / 100}%` : mode
}

function withMode(value: unknown, mode: string): unknown {
  if (!isObject(value) || !isObject(value['spec'])) return value
  return { ...value, spec: { ...value['spec'], mode } }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
