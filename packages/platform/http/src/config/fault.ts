import { safeName } from '../lib/safe-name.ts'
import type { Path } from '../lib/schema-tree.ts'

/** One thing that is wrong with a configuration. */
export interface ConfigFault {
  readonly path: Path
  readonly reason: string
  readonly next?: string | undefined
  /** The key does not exist. */
  readonly unknown?: boolean
  readonly nearest?: string | undefined
}

/**
 * A path as people write it.
 *
 * @example
 * formatConfigPath(['gateway', 'routes', 0, 'match']) // => 'gateway.routes[0].match'
 */
export function formatConfigPath(path: Path): string {
  if (path.length === 0) return '(the whole text)'
  let text = ''
  for (const part of path) {
    if (typeof part === 'number' || /^\d+$/.test(part)) text += `[${part}]`
    else text += `${text === '' ? '' : '.'}${safeName(part)}`
  }
  return text
}
