import { equalBytes, isQipError } from '@quantum-ip/base'
import { openLog, subtreeVerifierKey, verifySubtreeSignature } from '@quantum-ip/log'
import { parseStaple, type StapledHead } from '@quantum-ip/token'
import type { HeldKey, KeyRing } from '../keys/key-ring.ts'
import type { Store } from '../store/open-store.ts'
import { sqlLogStorage } from '../store/sql-log-storage.ts'

/**
 * What the authority finds about a signed head that somebody shows it:
 *
 * - `junk`: it is not signed by our keys, so it says nothing about them
 * - `ours`: it is what our log says
 * - `forged`: it is signed, and is not in the log: proof that somebody else has the key. `own` is the head that the log has there
 * - `open`: it is signed, and this store cannot tell: the log was closed after the store had lost its end
 */
export type HeadFinding =
  | { readonly finding: 'junk'; readonly reason: string }
  | { readonly finding: 'ours'; readonly kid: string }
  | {
      readonly finding: 'forged'
      readonly kid: string
      readonly head: StapledHead
      readonly own: string | undefined
    }
  | { readonly finding: 'open'; readonly kid: string; readonly head: StapledHead; readonly reason: string }

/** What heads are judged by. */
export interface HeadGrounds {
  readonly store: Pick<Store, 'sql' | 'highWater'>
  readonly keys: KeyRing
}

/** A head with the key that signed it. */
export interface SignedByUs {
  readonly head: StapledHead
  readonly held: HeldKey
}

/** Reads a `Quantum-IP-Head` value of one head, and checks all the signatures that it needs. */
export async function readSignedHead(
  staple: string,
  { keys }: Pick<HeadGrounds, 'keys'>,
): Promise<SignedByUs | { readonly finding: 'junk'; readonly reason: string }> {
  const head = parseOne(staple)
  if (head === undefined) return junk('it is not one head')
  const held = keys
    .list()
    .find(
      ({ record }) => record.use === 'qip-token' && record.log === head.origin && record.name !== undefined,
    )
  if (held === undefined) return junk('no issuing key of ours is for this log')
  return (await isSigned(head, held)) ? { head, held } : junk('its signatures do not hold')
}

/**
 * Judges a signed head by our own log. Whoever shows it need not be believed: what counts is that the signature holds, and
 * that the log does not have it.
 *
 * Entries are durable before a head over them is signed (invariant 1), so a head of ours is never past the log.
 */
export async function judgeHead(staple: string, grounds: HeadGrounds): Promise<HeadFinding> {
  const read = await readSignedHead(staple, grounds)
  if ('finding' in read) return read
  const { head, held } = read
  const { kid } = held.record.key
  const { sql, highWater } = grounds.store
  const { origin, start, end } = head
  const [listed] = await sql.query(
    'SELECT hash, staple FROM heads WHERE origin = ? AND start_index = ? AND end_index = ?',
    [origin, start, end],
  )
  if (listed !== undefined) {
    if (equalBytes(listed['hash'] as Uint8Array, head.hash)) return { finding: 'ours', kid }
    return { finding: 'forged', kid, head, own: listed['staple'] as string }
  }
  const [log] = await sql.query('SELECT size, state FROM log_heads WHERE origin = ?', [origin])
  const size = (log?.['size'] as number | undefined) ?? 0
  if (end <= size) {
    const isSame = await isInLog(head, grounds)
    return isSame ? { finding: 'ours', kid } : { finding: 'forged', kid, head, own: undefined }
  }
  // A restored or failed-over store may lack what was signed in earnest. Such a log is closed, or behind its mark.
  // Of a key that is compromised already nothing better is to be expected.
  const mark = highWater.mark(origin)?.size ?? 0
  const isCompromised = held.record.state === 'compromised'
  if (!isCompromised && (log?.['state'] === 'closed' || end <= mark))
    return { finding: 'open', kid, head, reason: 'the log was closed, and its end may be lost' }
  return { finding: 'forged', kid, head, own: undefined }
}

function junk(reason: string): { readonly finding: 'junk'; readonly reason: string } {
  return { finding: 'junk', reason }
}

function parseOne(staple: string): StapledHead | undefined {
  try {
    const heads = parseStaple(staple)
    return heads.length === 1 ? heads[0] : undefined
  } catch (error) {
    if (isQipError(error)) return undefined
    throw error
  }
}

async function isSigned(head: StapledHead, { record, companion }: HeldKey): Promise<boolean> {
  const keys = [record.key, ...(companion === undefined ? [] : [companion])]
  for (const key of keys) {
    const verifier = subtreeVerifierKey(record.name ?? '', key)
    const sig = head.sigs.find(({ keyId }) => keyId === verifier.keyId)
    if (sig === undefined) return false
    try {
      await verifySubtreeSignature(head, verifier, sig.signature)
    } catch (error) {
      if (isQipError(error)) return false
      throw error
    }
  }
  return true
}

/** A subtree of what is really in the log certifies nothing new, whoever signed it. */
async function isInLog(head: StapledHead, { store }: HeadGrounds): Promise<boolean> {
  const { origin, start, end, hash } = head
  const log = await openLog({ storage: sqlLogStorage(store.sql, origin), origin, cachedTilesMax: 16 })
  return equalBytes(await log.subtreeHash({ start, end }), hash)
}
