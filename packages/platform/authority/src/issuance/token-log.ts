import { limits, type TrustDomain, trustDomainName } from '@quantum-ip/base'
import type { Signer } from '@quantum-ip/crypto'
import { type Log, LogError, openLog, signSubtree, type Subtree, subtreeVerifierKey } from '@quantum-ip/log'
import { formatStaple } from '@quantum-ip/token'
import { AuthorityError } from '../authority-errors.ts'
import type { KeyRing } from '../keys/key-ring.ts'
import type { SignedHead } from '../state/head-rows.ts'
import { createLogStatement, sqlLogStorage } from '../store/sql-log-storage.ts'
import type { Store } from '../store/open-store.ts'
import type { SqlStatement } from '../store/sql.ts'

/** A token log that this process issues on: one log, one key, one writer. */
export interface TokenLog {
  readonly number: number
  readonly origin: string
  /** Name of the issuing cosigner, `acme.example/issuer/<n>`. */
  readonly cosigner: string
  readonly kid: string
  readonly keyId: number
  /** Who signs its heads: the issuing key, and its Ed25519 companion where heads are hybrid. */
  readonly signers: readonly Signer[]
  readonly log: Log
}

/** The origin of token log `number`. */
export function tokenLogOrigin(td: TrustDomain, number: number): string {
  return `${trustDomainName(td)}/tokens/${number}`
}

/** The name of the cosigner that issues on token log `number`. */
export function issuerName(td: TrustDomain, number: number): string {
  return `${trustDomainName(td)}/issuer/${number}`
}

/** The number of a token log, by its origin. */
export function tokenLogNumber(origin: string): number {
  return Number(origin.slice(origin.lastIndexOf('/') + 1))
}

/** What token logs are opened from. */
export interface TokenLogSource {
  readonly td: TrustDomain
  readonly store: Store
  readonly keys: KeyRing
}

/**
 * Opens the log of an issuing key.
 *
 * @returns `undefined` if what the store holds is not an extension of what was signed here before (invariant 2), or the log has no
 *   mark: a restored backup, a lost disk. Such a log is closed for ever.
 */
export async function openTokenLog(source: TokenLogSource, kid: string): Promise<TokenLog | undefined> {
  const { store, keys } = source
  const held = keys.get(kid)
  const record = held?.record
  if (record?.log === undefined || record.name === undefined) {
    throw new AuthorityError('QIP_AUTHORITY_INVARIANT', { what: 'an issuing key has no log' })
  }
  const mark = store.highWater.mark(record.log)
  if (mark === undefined) return undefined
  try {
    await store.sql.transact([createLogStatement(record.log)])
    // A power failure may have taken the mark back for which it was closed.
    if (await isClosed(store, record.log)) return undefined
    const log = await openLog({
      storage: sqlLogStorage(store.sql, record.log),
      origin: record.log,
      genesis: true,
      batchEntriesMax: limits.batchTokensMax,
      extending: { size: mark.size, root: mark.hash },
    })
    // States will show the log as it is now, entries included that no head covers: what is shown must not be lost either.
    const { size, root } = log.head()
    await store.highWater.raise({ origin: record.log, size, hash: root })
    const kids = [kid, ...(held?.companion === undefined ? [] : [held.companion.kid])]
    const signers = await Promise.all(kids.map((each) => keys.signer(each)))
    const { keyId } = subtreeVerifierKey(record.name, record.key)
    return {
      number: tokenLogNumber(record.log),
      origin: record.log,
      cosigner: record.name,
      kid,
      keyId,
      signers,
      log,
    }
  } catch (error) {
    if (!(error instanceof LogError) || error.code !== 'QIP_LOG_NOT_AN_EXTENSION') throw error
    return undefined
  }
}

async function isClosed({ sql }: Store, origin: string): Promise<boolean> {
  const [row] = await sql.query('SELECT state FROM log_heads WHERE origin = ?', [origin])
  return row?.['state'] === 'closed'
}

/** Closes a log for ever: nothing is appended to it any more, by anybody. */
export async function closeLog(store: Store, origin: string): Promise<void> {
  await store.sql.transact([closeStatement(origin)])
}

/** What closes a log for ever. */
export function closeStatement(origin: string): SqlStatement {
  return { sql: "UPDATE log_heads SET state = 'closed' WHERE origin = ?", params: [origin] }
}

/**
 * Signs a subtree of a token log, and checks the signature. The entries must be durable and the high-water mark raised.
 *
 * @param exp the largest expiry of a token under it, seconds
 */
export async function signHead(
  { origin, cosigner, signers, log }: TokenLog,
  subtree: Subtree,
  exp: number,
): Promise<SignedHead & { readonly hash: Uint8Array }> {
  const hash = await log.subtreeHash(subtree)
  const signatures = await Promise.all(
    signers.map((signer) => signSubtree({ ...subtree, origin, hash }, { name: cosigner, signer })),
  )
  const head = { origin, start: subtree.start, end: subtree.end, hash, exp }
  const sigs = signatures.sort((a, b) => a.keyId - b.keyId)
  return { head, staple: formatStaple([{ ...head, sigs }]), hash }
}
