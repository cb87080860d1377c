import { base64, equalBytes, isQipError, type JsonObject, parseJson } from '@quantum-ip/base'
import { parseEnvelope } from '@quantum-ip/crypto'
import { parseEntryBundle, storedContents, verifyTileLogContents } from '@quantum-ip/log'
import { parseRevocation, parseRootDocument } from '@quantum-ip/trust'
import { AuthorityError } from '../authority-errors.ts'
import { readMeta } from '../store/meta.ts'
import type { Sql } from '../store/sql.ts'
import { sqlLogStorage } from '../store/sql-log-storage.ts'
import type { BackupContents } from './load-backup.ts'

/** What a check has gone through. */
export interface CheckedStore {
  /** Entries of logs that were hashed again. */
  readonly entries: number
  readonly attestations: number
}

/** How a store is checked. */
export interface CheckOptions {
  readonly onProgress?: (what: string, done: number) => void
}

/**
 * Checks what a restored store must be to be worked with: that it is of the trust domain it says, that every log is whole (each
 * entry is hashed again, each tile and the root compared), that no revocation is missing, that each attestation is the log's own.
 *
 * @throws {AuthorityError} `QIP_AUTHORITY_BACKUP_DAMAGED`
 */
export async function checkStore(
  sql: Sql,
  { header, manifest }: BackupContents,
  { onProgress }: CheckOptions = {},
): Promise<CheckedStore> {
  await checkOwner(sql, header)
  let entries = 0
  for (const { origin, size, root } of manifest.logs) {
    await checkLog(sql, origin, { size, root }, (done) => onProgress?.(origin, done))
    entries += size
  }
  await checkRevocations(sql, manifest.revocations)
  return { entries, attestations: await checkAttestations(sql, header.trustDomain) }
}

async function checkOwner(sql: Sql, header: BackupContents['header']): Promise<void> {
  const [td, version] = [await readMeta(sql, 'trust-domain'), await readMeta(sql, 'data-version')]
  if (td !== header.trustDomain) throw damaged('it holds the data of another trust domain than it says')
  if (version !== String(header.dataVersion)) throw damaged('it holds data of another version than it says')
  for (const row of await sql.query("SELECT envelope FROM documents WHERE kind = 'root'")) {
    const root = parseRootDocument(parseEnvelope(row['envelope'] as string).payload)
    if (root.td !== td) throw damaged('it holds a root document of another trust domain')
  }
}

async function checkLog(
  sql: Sql,
  origin: string,
  announced: { readonly size: number; readonly root: string },
  onProgress: (done: number) => void,
): Promise<void> {
  const storage = sqlLogStorage(sql, origin)
  const head = await storage.head()
  if (head.size !== announced.size || base64(head.root) !== announced.root) {
    throw damaged(`the head of ${origin} is another one than announced`)
  }
  try {
    await verifyTileLogContents(head, {
      ...storedContents(storage),
      onEntry: (index) => {
        if (index % 4_096 === 0) onProgress(index)
      },
    })
  } catch (cause) {
    if (!isQipError(cause)) throw cause
    throw damaged(`log ${origin} is not whole: ${cause.message}`, cause)
  }
}

async function checkRevocations(sql: Sql, count: number): Promise<void> {
  const rows = await sql.query('SELECT epoch, record FROM revocations ORDER BY epoch')
  for (const [at, { epoch, record }] of rows.entries()) {
    if (epoch !== at + 1) throw damaged(`revocation ${at + 1} is missing`)
    const parsed = parseRevocation(parseJson(record as string) as JsonObject)
    if (parsed.epoch !== epoch) throw damaged(`revocation ${epoch} has another number in it`)
  }
  if (rows.length !== count) throw damaged(`it has ${rows.length} revocations instead of ${count}`)
}

const attestationsAtOnce = 256

async function checkAttestations(sql: Sql, trustDomain: string): Promise<number> {
  const prefix = `${trustDomain.slice('spiffe://'.length)}/attestations/`
  let done = 0
  for (;;) {
    const rows = await sql.query(
      'SELECT log, position, entry FROM attestations ORDER BY log, position LIMIT ? OFFSET ?',
      [attestationsAtOnce, done],
    )
    for (const { log, position, entry } of rows) {
      const at = position as number
      const storage = sqlLogStorage(sql, `${prefix}${String(log)}`)
      const [logged] = parseEntryBundle(await storage.readEntries(at, at + 1))
      if (logged === undefined || !equalBytes(logged, entry as Uint8Array)) {
        throw damaged(`attestation ${at} of log ${String(log)} is not what was logged`)
      }
    }
    done += rows.length
    if (rows.length < attestationsAtOnce) return done
  }
}

function damaged(reason: string, cause?: unknown): AuthorityError {
  return new AuthorityError('QIP_AUTHORITY_BACKUP_DAMAGED', { reason }, { cause })
}
