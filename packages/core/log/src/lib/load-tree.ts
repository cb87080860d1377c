import { equalBytes } from '@quantum-ip/base'
import { LogError } from '../log-errors.ts'
import type { LogHead, LogStorage } from '../log-storage.ts'
import { loadEdge, sameHead } from './settle-commit.ts'
import type { Tree } from './tree-reader.ts'

/**
 * Reads head and right edge of a stored log, and checks the one against the other.
 *
 * @throws {LogError} `QIP_LOG_CORRUPT` if the edge has another root than the head · `QIP_LOG_MISSING` ·
 * `QIP_LOG_NOT_AN_EXTENSION` if the log does not begin with the tree of `extending`.
 */
export async function loadTree(
  storage: LogStorage,
  origin: string,
  extending: LogHead | undefined,
): Promise<Tree> {
  const head = await storage.head()
  const edge = await loadEdge(storage, head.size)
  if (!equalBytes(edge.root(), head.root)) throw new LogError('QIP_LOG_CORRUPT', { what: 'right edge' })
  if (extending !== undefined && !(await extendsTree(storage, head, extending))) {
    throw new LogError('QIP_LOG_NOT_AN_EXTENSION', { origin, size: extending.size, found: head.size })
  }
  return { head, edge }
}

async function extendsTree(storage: LogStorage, head: LogHead, older: LogHead): Promise<boolean> {
  if (head.size < older.size) return false
  if (head.size === older.size) return sameHead(head, older)
  // Tiles of the older tree are the beginnings of the stored ones.
  return equalBytes((await loadEdge(storage, older.size)).root(), older.root)
}
