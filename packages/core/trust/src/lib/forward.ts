import { equalBytes } from '@quantum-ip/base'
import type { Bundle } from '../bundle.ts'
import type { KeyRecord } from '../key-record.ts'
import type { LogHead, State } from '../state.ts'
import { TrustError } from '../trust-errors.ts'
import { checkNotBack, checkRises } from './rising.ts'

/** Checks that `offered`, which differs from `held`, may follow it. */
export function checkBundleFollows(held: Bundle, offered: Bundle): void {
  checkRises('bundle', { what: 'sequence', held: held.sequence, offered: offered.sequence })
  checkNotBack('bundle', {
    what: 'root sequence',
    held: held.rootSequence,
    offered: offered.rootSequence,
  })
  const before = new Map(held.keys.map((record) => [record.key.kid, record]))
  const issuing = new Map(held.keys.filter(isTokenKey).map((record) => [tokenLog(record), record.key.kid]))
  for (const record of offered.keys) {
    checkKeyFollows(before.get(record.key.kid), record)
    const bound = isTokenKey(record) ? issuing.get(tokenLog(record)) : undefined
    if (bound !== undefined && bound !== record.key.kid) {
      throw changed(record, `replaces the issuing key of \`${record.log ?? ''}\``)
    }
  }
}

function isTokenKey({ use }: KeyRecord): boolean {
  return use === 'qip-token'
}

function isBound({ use }: KeyRecord): boolean {
  return use === 'qip-token' || use === 'qip-build'
}

function tokenLog({ key, log = '' }: KeyRecord): string {
  return `${key.alg} ${log}`
}

function checkKeyFollows(held: KeyRecord | undefined, offered: KeyRecord): void {
  if (held === undefined) return
  const isSame = held.use === offered.use && held.name === offered.name && held.log === offered.log
  if (!isSame || held.set !== offered.set) throw changed(offered, 'changed its use, name, log or set')
  if (held.state === offered.state || offered.state === 'compromised') return
  if (held.state === 'compromised') throw changed(offered, 'was compromised, and nothing leads out of that')
  // A token log ends with its key, for ever. Of the others a restored store may know less than verifiers do: that must not keep them
  // from its bundles, which only say again who may sign.
  if (held.state === 'retired' && isBound(held)) throw changed(offered, 'was retired, and is not any more')
}

function changed({ key }: KeyRecord, reason: string): TrustError {
  return new TrustError('QIP_TRUST_KEY_CHANGED', { kid: key.kid, reason })
}

/** Checks that `offered`, which differs from `held`, may follow it. */
export function checkStateFollows(held: State, offered: State): void {
  checkRises('state', { what: 'seq', held: held.seq, offered: offered.seq })
  checkNotBack('state', { what: 'time', held: held.timeMs, offered: offered.timeMs })
  checkNotBack('state', { what: 'epoch', held: held.epoch, offered: offered.epoch })
  checkNotBack('state', {
    what: 'bundle sequence',
    held: held.bundle.sequence,
    offered: offered.bundle.sequence,
  })
  for (const [name, policy] of offered.policies) {
    const before = held.policies.get(name)
    if (before === undefined) continue
    const what = `version of policy \`${name}\``
    checkNotBack('state', { what, held: before.version, offered: policy.version })
    if (before.version === policy.version && !equalBytes(before.sha256, policy.sha256)) {
      throw new TrustError('QIP_TRUST_SEQUENCE_REUSED', { document: 'state', what, sequence: policy.version })
    }
  }
}

/** Checks that no log is smaller than it ever was, and none has another hash at the same size. */
export function checkLogsGrow(
  held: ReadonlyMap<string, LogHead>,
  offered: ReadonlyMap<string, LogHead>,
): void {
  for (const [origin, { size, hash }] of offered) {
    const before = held.get(origin)
    if (before === undefined) continue
    checkNotBack('state', { what: `size of log \`${origin}\``, held: before.size, offered: size })
    if (size === before.size && !equalBytes(hash, before.hash)) {
      throw new TrustError('QIP_TRUST_LOG_FORKED', { origin, size })
    }
  }
}
