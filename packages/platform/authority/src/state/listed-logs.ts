import { genesisEntry, leafHash } from '@quantum-ip/log'
import type { LogHead } from '@quantum-ip/trust'
import type { TokenLog } from '../issuance/token-log.ts'
import type { KeyRing } from '../keys/key-ring.ts'
import type { Registry } from '../ledger/registry.ts'
import type { Store } from '../store/open-store.ts'

/**
 * The heads of all logs that states list: the ones that are written, and those of retiring keys at their marks. A mark covers all
 * that verifiers were ever shown, also where the store has less: to them no log goes back. The log of a published key may hold a probe.
 */
export function listLogs(
  { highWater }: Store,
  keys: KeyRing,
  open: { readonly issuing: TokenLog; readonly registry: Registry },
): Map<string, ListedHead> {
  const logs = new Map<string, ListedHead>()
  for (const held of keys.list()) {
    const { record } = held
    if (!keys.isOwn(held)) continue
    const isShown = record.state === 'retiring' || record.state === 'published'
    if (record.use !== 'qip-token' || !isShown || record.log === undefined) continue
    const mark = highWater.mark(record.log)
    if (mark !== undefined && mark.size > 0) logs.set(record.log, () => mark)
  }
  logs.set(open.issuing.origin, listedHead(open.issuing))
  logs.set(open.registry.origin, () => open.registry.head())
  return logs
}

/** The tree of a token log that holds nothing but its null entry: what is shown of one until a head of it was listed. */
const begun: LogHead = { size: 1, hash: leafHash(genesisEntry) }

/**
 * The token logs of other instances: as far as their heads were listed, and never behind what was seen in a state here, whatever
 * the store has lost.
 */
export function foreignLogs(
  { highWater }: Pick<Store, 'highWater'>,
  keys: KeyRing,
  listed: ReadonlyMap<string, LogHead>,
): ReadonlyMap<string, LogHead> {
  const logs = new Map<string, LogHead>()
  for (const held of keys.list()) {
    const { use, state, log } = held.record
    if (use !== 'qip-token' || log === undefined || keys.isOwn(held)) continue
    // The log of a published key may hold a probe.
    const isShown = state === 'active' || state === 'retiring' || (state === 'published' && listed.has(log))
    if (!isShown) continue
    const [shown, seen] = [listed.get(log) ?? begun, highWater.mark(log)]
    logs.set(log, seen !== undefined && seen.size > shown.size ? { size: seen.size, hash: seen.hash } : shown)
  }
  return logs
}

/** What a state shows of all logs: those that are written here, and those of others. */
export function headsOf(
  own: ReadonlyMap<string, ListedHead>,
  foreign: ReadonlyMap<string, LogHead>,
  listed: ReadonlyMap<string, LogHead>,
): ReadonlyMap<string, LogHead> {
  const heads = new Map(foreign)
  for (const [origin, head] of own) heads.set(origin, head(listed))
  return heads
}

/** The head of a log as states may show it, given the token logs as far as their heads were listed. */
export type ListedHead = (listed: ReadonlyMap<string, LogHead>) => LogHead

/** A token log as far as its heads were listed; as it was opened, until one is. */
export function listedHead({ origin, log }: TokenLog): ListedHead {
  const { size, root } = log.head()
  const opened = { size, hash: root }
  return (listed) => listed.get(origin) ?? opened
}
