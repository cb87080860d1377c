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
  for (const { record } of keys.list()) {
    const isShown = record.state === 'retiring' || record.state === 'published'
    if (record.use !== 'qip-token' || !isShown || record.log === undefined) continue
    const mark = highWater.mark(record.log)
    if (mark !== undefined && mark.size > 0) logs.set(record.log, () => mark)
  }
  logs.set(open.issuing.origin, listedHead(open.issuing))
  logs.set(open.registry.origin, () => open.registry.head())
  return logs
}

/** The head of a log as states may show it, given the token logs as far as their heads were listed. */
export type ListedHead = (listed: ReadonlyMap<string, LogHead>) => LogHead

/** A token log as far as its heads were listed; as it was opened, until one is. */
export function listedHead({ origin, log }: TokenLog): ListedHead {
  const { size, root } = log.head()
  const opened = { size, hash: root }
  return (listed) => listed.get(origin) ?? opened
}
