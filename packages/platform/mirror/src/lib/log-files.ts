import { type BundleId, type TileId, tileWidth, tileWidthMax } from '@quantum-ip/log'

/** A file of a log. */
export type LogFile = ({ readonly kind: 'tile' } & TileId) | ({ readonly kind: 'entries' } & BundleId)

// The leaves under one hash of a tile of this level.
const tileSpan = (level: number): number => tileWidthMax ** level

/**
 * The tiles and bundles that a tree of `size` entries has and the tree of its first `from` entries has not: the full ones that were
 * filled since, and the partial ones of `size`.
 */
export function filesBetween(from: number, size: number): readonly LogFile[] {
  const files: LogFile[] = []
  for (let level = 0; tileSpan(level) <= size; level++) {
    const first = Math.floor(Math.floor(from / tileSpan(level)) / tileWidthMax)
    for (let index = first; ; index++) {
      const width = tileWidth(size, level, index)
      if (width === 0) break
      // A level may have got nothing new.
      if (width === tileWidth(from, level, index)) continue
      files.push({ kind: 'tile', level, index, width })
      if (level === 0) files.push({ kind: 'entries', index, width })
    }
  }
  return files
}

/** The partial tiles and the partial bundle of a tree of `size` entries. */
export function partialFiles(size: number): readonly LogFile[] {
  const files: LogFile[] = []
  for (let level = 0; tileSpan(level) <= size; level++) {
    const hashes = Math.floor(size / tileSpan(level))
    const width = hashes % tileWidthMax
    if (width === 0) continue
    const index = Math.floor(hashes / tileWidthMax)
    files.push({ kind: 'tile', level, index, width })
    if (level === 0) files.push({ kind: 'entries', index, width })
  }
  return files
}
