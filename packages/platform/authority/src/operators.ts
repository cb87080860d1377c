import type { CredentialRecord, CredentialStore, Role } from '@quantum-ip/http'
import type { Sql, SqlRow } from './store/sql.ts'

/** Operators' credentials in the store: hashes only. */
export function sqlCredentialStore(sql: Sql): CredentialStore {
  return {
    async list() {
      return (await sql.query('SELECT * FROM operators ORDER BY created_ms')).map((row) => read(row))
    },
    async find(id) {
      const [row] = await sql.query('SELECT * FROM operators WHERE id = ?', [id])
      return row && read(row)
    },
    async put({ id, name, role, hash, createdMs, expiresMs, revokedMs }) {
      await sql.transact([
        {
          sql: `INSERT INTO operators (id, name, role, secret_hash, created_ms, expires_ms, revoked_ms)
                VALUES (?, ?, ?, ?, ?, ?, ?)
                ON CONFLICT (id) DO UPDATE SET name = excluded.name, role = excluded.role,
                  secret_hash = excluded.secret_hash, expires_ms = excluded.expires_ms, revoked_ms = excluded.revoked_ms`,
          params: [id, name, role, hash, createdMs, expiresMs ?? null, revokedMs ?? null],
        },
      ])
    },
  }
}

function read(row: SqlRow): CredentialRecord {
  return {
    id: row['id'] as string,
    name: row['name'] as string,
    role: row['role'] as Role,
    hash: row['secret_hash'] as Uint8Array,
    createdMs: row['created_ms'] as number,
    ...(row['expires_ms'] !== null && { expiresMs: row['expires_ms'] as number }),
    ...(row['revoked_ms'] !== null && { revokedMs: row['revoked_ms'] as number }),
  }
}
