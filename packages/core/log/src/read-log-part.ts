import { formatEntryBundle } from './entry-bundle.ts'
import type { Log } from './log.ts'
import { parseTilePath, tileWidthMax } from './tile.ts'

/**
 * The bytes that stand at a path of the read API below its log: `tile/<L>/<N>[.p/<W>]` or `tile/entries/<N>[.p/<W>]`
 * ({@link https://c2sp.org/tlog-tiles c2sp.org/tlog-tiles}).
 *
 * @throws {LogError} `QIP_LOG_OUT_OF_RANGE` for what the log does not hold (yet), and as {@link parseTilePath}
 */
export async function readLogPart(log: Pick<Log, 'tile' | 'entries'>, path: string): Promise<Uint8Array> {
  const part = parseTilePath(path)
  if ('level' in part) return log.tile(part.level, part.index, part.width)
  const start = part.index * tileWidthMax
  return formatEntryBundle(await log.entries(start, start + part.width))
}
