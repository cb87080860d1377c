import { equalBytes, trustDomainName } from '@quantum-ip/base'
import type { HighWaterMark } from '../store/high-water.ts'
import type { Sql } from '../store/sql.ts'

/** What becomes of an open log when an authority opens a restored store. */
export interface LogFate {
  readonly origin: string
  /** In the backup. */
  readonly size: number
  /** What was signed at most, as far as the marks know. */
  readonly signed: number | undefined
  /** `continues`: nothing was signed since. `closes`: what came since is lost, so nothing is appended to it any more. */
  readonly fate: 'continues' | 'closes'
  /** The log that is opened instead. */
  readonly next: string | undefined
}

/** What is known outside of the store. */
export interface KnownOutside {
  /** Empty where they were lost, too. */
  readonly marks: readonly HighWaterMark[]
}

/**
 * Tells what an authority will do with the logs of a restored store: the same rule as when it opens them (invariant 2), so that an
 * operator knows before.
 */
export async function planRestore(
  sql: Sql,
  trustDomain: string,
  { marks }: KnownOutside,
): Promise<readonly LogFate[]> {
  const known = new Map(marks.map((mark) => [mark.origin, mark]))
  const keys = await sql.query('SELECT use, state, log FROM keys WHERE log IS NOT NULL')
  const heads = await sql.query('SELECT origin, size, root FROM log_heads')
  const fates: LogFate[] = []
  for (const use of ['qip-token', 'qip-log'] as const) {
    const kind = `${trustDomainName(trustDomain)}/${use === 'qip-token' ? 'tokens' : 'attestations'}/`
    const own = keys.filter((row) => row['use'] === use)
    const active = own.find(({ state }) => state === 'active')?.['log'] as string | undefined
    if (active === undefined) continue
    const head = heads.find(({ origin }) => origin === active)
    const size = (head?.['size'] as number | undefined) ?? 0
    const mark = known.get(active)
    const isBehind =
      mark === undefined ||
      mark.size > size ||
      (mark.size === size && size > 0 && !equalBytes(mark.hash, head?.['root'] as Uint8Array))
    const standby = own.find(({ state }) => state === 'published')?.['log'] as string | undefined
    const isUsable = standby !== undefined && known.get(standby)?.size === 0
    const used = [...own.map(({ log }) => log as string), ...known.keys()]
    fates.push({
      origin: active,
      size,
      signed: mark?.size,
      fate: isBehind ? 'closes' : 'continues',
      next: isBehind ? (isUsable ? standby : nextOf(kind, used)) : undefined,
    })
  }
  return fates
}

/** Above every number that the store or the marks know. */
function nextOf(kind: string, origins: readonly string[]): string {
  const numbers = origins
    .filter((origin) => origin.startsWith(kind))
    .map((origin) => Number(origin.slice(kind.length)))
  return `${kind}${Math.max(0, ...numbers) + 1}`
}
