import { randomBytes } from 'node:crypto'
import { Pool, type PoolClient, type PoolConfig } from 'pg'
import { AuthorityError } from '../authority-errors.ts'

/** How a database is reached. */
export interface PostgresOptions {
  /** `postgres://user:password@host/database`, with `sslmode`, `sslrootcert` … as libpq names them. A secret. */
  readonly url: string
  /** Default 10. */
  readonly connectionsMax?: number
  /** After so long without an answer to a statement its connection is given up. Default 10 s. */
  readonly statementTimeoutMs?: number
}

/** A connection that may run transactions. */
export interface Marked {
  readonly client: PoolClient
  /** Name of its row in `store_connections`. */
  readonly id: string
  /** How many transactions it began. */
  transactions: number
}

/** Where each connection counts its transactions: what became of the last one can be read there. */
export const connectionsSchema: readonly string[] = [
  `CREATE TABLE IF NOT EXISTS store_connections (
     id TEXT PRIMARY KEY, transactions BIGINT NOT NULL, settled BIGINT NOT NULL, opened_ms BIGINT NOT NULL)`,
]

const hourS = 3_600
const int8Oid = 20
const byteaOid = 17

/**
 * Opens a pool. Off this machine it speaks TLS and checks the server's certificate, unless the URL says otherwise by name
 * (`sslmode=disable`).
 *
 * @throws {AuthorityError} `QIP_AUTHORITY_STORE_UNAVAILABLE` if the URL cannot be read
 */
export function openPool(options: PostgresOptions): Pool {
  const { url, connectionsMax = 10, statementTimeoutMs = 10_000 } = options
  try {
    const { host, hasTls } = readUrl(url)
    const config: PoolConfig & { readonly pipeline: boolean } = {
      connectionString: url,
      max: connectionsMax,
      application_name: 'quantum-ip authority',
      connectionTimeoutMillis: 5_000,
      idleTimeoutMillis: 60_000,
      // Connections age, so that a changed name or address of the server is noticed.
      maxLifetimeSeconds: hourS,
      keepAlive: true,
      keepAliveInitialDelayMillis: 5_000,
      query_timeout: statementTimeoutMs + 5_000,
      statement_timeout: statementTimeoutMs,
      lock_timeout: statementTimeoutMs,
      // A transaction whose client is gone lets go of its rows.
      idle_in_transaction_session_timeout: statementTimeoutMs,
      types: { getTypeParser: parserOf as never },
      // The statements of a transaction are sent together.
      pipeline: true,
      ...(!hasTls && !isLocal(host) && { ssl: true }),
    }
    const pool = new Pool(config)
    // A connection that breaks while nobody uses it; the next call makes another. One in use fails its statement, too.
    pool.on('error', () => undefined)
    pool.on('connect', (client) => client.on('error', () => undefined))
    return pool
  } catch {
    throw new AuthorityError('QIP_AUTHORITY_STORE_UNAVAILABLE', {
      reason: 'the connection URL cannot be read',
      next: 'write it as `postgres://user:password@host:5432/database` into the file of `store.postgres.urlFile`',
    })
  }
}

function readUrl(url: string): { readonly host: string; readonly hasTls: boolean } {
  const parsed = new URL(url.replace('@/', '@localhost/'))
  if (!/^postgres(?:ql)?:$/.test(parsed.protocol)) throw new TypeError('another scheme')
  const names = parsed.searchParams
  return { host: names.get('host') ?? parsed.hostname, hasTls: names.has('sslmode') || names.has('ssl') }
}

function isLocal(host: string): boolean {
  return host.startsWith('/') || ['', 'localhost', '127.0.0.1', '[::1]', '::1'].includes(host)
}

/** Integers as safe integers, bytes as bytes. */
function parserOf(oid: number): (text: string) => unknown {
  if (oid === int8Oid || oid === 23 || oid === 21) return readInteger
  if (oid === byteaOid) return readBytes
  return (text) => text
}

function readInteger(text: string): number {
  const value = Number(text)
  if (!Number.isSafeInteger(value)) {
    throw new AuthorityError('QIP_AUTHORITY_INVARIANT', { what: 'a stored integer has more than 53 bits' })
  }
  return value
}

function readBytes(text: string): Uint8Array {
  const buffer = Buffer.from(text.slice(2), 'hex')
  return new Uint8Array(buffer.buffer, buffer.byteOffset, buffer.length)
}

const marks = new WeakMap<PoolClient, Marked>()

/** Takes a connection out of the pool, and gives a new one its row. */
export async function takeConnection(pool: Pool): Promise<Marked> {
  const client = await pool.connect()
  const known = marks.get(client)
  if (known !== undefined) return known
  try {
    await waitForStandby(client)
    const id = randomBytes(16).toString('hex')
    await client.query(
      'INSERT INTO store_connections (id, transactions, settled, opened_ms) VALUES ($1, 0, 0, $2)',
      [id, Date.now()],
    )
    const marked = { client, id, transactions: 0 }
    marks.set(client, marked)
    return marked
  } catch (error) {
    client.release(true)
    throw error
  }
}

/** However the role or the database is set: commits of this connection wait for the disk, and for a standby that is named. */
async function waitForStandby(client: PoolClient): Promise<void> {
  const { rows } = await client.query("SELECT current_setting('synchronous_commit', true) AS mode")
  const mode = (rows[0] as { mode?: string | null } | undefined)?.mode ?? undefined
  if (mode !== undefined && mode !== 'on' && mode !== 'remote_apply') {
    await client.query('SET synchronous_commit = on')
  }
}
