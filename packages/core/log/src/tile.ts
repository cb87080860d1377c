import { LogError } from './log-errors.ts'

/** Hashes of a full tile, entries of a full bundle (c2sp.org/tlog-tiles): 256. */
export const tileWidthMax = 256

/** Highest level of a tile. */
export const tileLevelMax = 63

/** A tile: `width` consecutive hashes of full subtrees of 256^`level` leaves, beginning with number 256 × `index`. */
export interface TileId {
  readonly level: number
  readonly index: number
  /** 1..256. */
  readonly width: number
}

/** A bundle of the entries 256 × `index` and following. */
export interface BundleId {
  readonly index: number
  /** 1..256. */
  readonly width: number
}

/** The leaves under one hash of a tile of this level. */
export function tileSpan(level: number): number {
  return tileWidthMax ** level
}

/** The number of hashes, 0..256, that the tile has in a tree of `size` leaves; level 0 also for entry bundles. */
export function tileWidth(size: number, level: number, index: number): number {
  const hashes = Math.floor(size / tileSpan(level)) - index * tileWidthMax
  return Math.max(0, Math.min(tileWidthMax, hashes))
}

function numberPath(index: number): string {
  let path = String(index % 1000).padStart(3, '0')
  for (let rest = Math.floor(index / 1000); rest > 0; rest = Math.floor(rest / 1000)) {
    path = `x${String(rest % 1000).padStart(3, '0')}/${path}`
  }
  return path
}

function widthPath(width: number): string {
  return width === tileWidthMax ? '' : `.p/${width}`
}

/**
 * The path of a tile below the log's prefix (c2sp.org/tlog-tiles).
 *
 * @example
 * tilePath({ level: 0, index: 1234067, width: 256 }) // => 'tile/0/x001/x234/067'
 * tilePath({ level: 1, index: 0, width: 7 }) // => 'tile/1/000.p/7'
 */
export function tilePath({ level, index, width }: TileId): string {
  return `tile/${level}/${numberPath(index)}${widthPath(width)}`
}

/** The path of an entry bundle below the log's prefix (c2sp.org/tlog-tiles). */
export function bundlePath({ index, width }: BundleId): string {
  return `tile/entries/${numberPath(index)}${widthPath(width)}`
}

/** What a path of a tile-based log names. */
export type TilePath = ({ readonly kind: 'tile' } & TileId) | ({ readonly kind: 'entries' } & BundleId)

const pathGrammar = /^tile\/(entries|0|[1-9]\d?)\/((?:x\d{3}\/){0,5}\d{3})(?:\.p\/([1-9]\d{0,2}))?$/

/**
 * Parses the path of a tile or entry bundle, without a leading slash. Only the one canonical spelling is accepted.
 *
 * @throws {LogError} `QIP_LOG_TILE_PATH_MALFORMED`.
 */
export function parseTilePath(path: string): TilePath {
  const [, kind, groups, partial] = pathGrammar.exec(path) ?? []
  if (kind === undefined || groups === undefined) throw malformed('no path of a tile or entry bundle')
  const index = Number(groups.replaceAll(/[x/]/g, ''))
  const width = partial === undefined ? tileWidthMax : Number(partial)
  if (!Number.isSafeInteger(index)) throw malformed('index too large')
  if (partial !== undefined && width >= tileWidthMax) throw malformed('width of a partial tile is 1 to 255')
  const level = kind === 'entries' ? 0 : Number(kind)
  if (level > tileLevelMax) throw malformed('level too large')
  const parsed: TilePath = kind === 'entries' ? { kind, index, width } : { kind: 'tile', level, index, width }
  const canonical = parsed.kind === 'tile' ? tilePath(parsed) : bundlePath(parsed)
  if (canonical !== path) throw malformed('leading zeros')
  return parsed
}

function malformed(reason: string): LogError {
  return new LogError('QIP_LOG_TILE_PATH_MALFORMED', { reason })
}
