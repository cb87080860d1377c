import { open, readFile } from 'node:fs/promises'
import { isQipError, type Json, parseJson } from '@quantum-ip/base'
import {
  generateKemKey,
  type KemKey,
  kemJwk,
  parseKemJwk,
  parsePrivateKemJwk,
  privateKemJwk,
} from '@quantum-ip/crypto'
import { AuthorityError } from '../authority-errors.ts'
import { readMeta, writeMetaStatement } from '../store/meta.ts'
import type { Sql } from '../store/sql.ts'

const metaName = 'record-key'

/**
 * The key that records are sealed to (use `qip-kem`, X-Wing).
 *
 * At the first start its private half is written to `file`, 0600, and never read again: it is meant to be taken away to the key
 * custodian, like the root keys. The authority keeps the public half, and so cannot open what it sealed.
 *
 * @throws {AuthorityError} `QIP_AUTHORITY_FILE_DAMAGED`
 */
export async function openRecordKey(sql: Sql, file: string): Promise<KemKey> {
  const kept = await readMeta(sql, metaName)
  if (kept !== undefined) return parseKemJwk(parseJson(kept))
  const key = await drawKey(file)
  await sql.transact([writeMetaStatement(metaName, JSON.stringify(kemJwk(key)))])
  return key
}

async function drawKey(file: string): Promise<KemKey> {
  const key = generateKemKey('X-Wing')
  try {
    // Durable before anything is sealed to it: what nobody can open is no record.
    const handle = await open(file, 'wx', 0o600)
    try {
      await handle.writeFile(`${JSON.stringify(privateKemJwk(key))}\n`)
      await handle.sync()
    } finally {
      await handle.close()
    }
    return key.publicKey
  } catch (error) {
    // A start that was cut off left it; nothing was sealed yet.
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return readKey(file)
    throw error
  }
}

async function readKey(file: string): Promise<KemKey> {
  try {
    const jwk: Json = parseJson(await readFile(file, 'utf8'))
    return parsePrivateKemJwk(jwk).publicKey
  } catch (cause) {
    if (!isQipError(cause)) throw cause
    const reason = 'it is no private X-Wing key'
    const next = 'move it away: another one is drawn, and nothing was sealed to this one'
    throw new AuthorityError('QIP_AUTHORITY_FILE_DAMAGED', { file, reason, next }, { cause })
  }
}
