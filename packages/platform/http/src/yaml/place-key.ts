import type { Path } from '../lib/schema-tree.ts'

/** The key of a path in the map of places. */
export function placeKey(path: Path): string {
  return JSON.stringify(path.map(String))
}
