import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { logStorageCases } from '../../../core/log/test/storage-cases.ts'
import { schemaOfVersion1 } from '../src/store/schema.ts'
import { createLogStatement, sqlLogStorage } from '../src/store/sql-log-storage.ts'
import { openSqlite } from '../src/store/sqlite.ts'

const origin = 'acme.example/log/1'

logStorageCases('SQLite', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'qip-log-storage-'))
  const file = join(folder, 'log.db')
  let sql = await openSqlite(file, schemaOfVersion1)
  await sql.transact([createLogStatement(origin)])
  return {
    storage: sqlLogStorage(sql, origin),
    async reopen() {
      await sql.close()
      sql = await openSqlite(file, schemaOfVersion1)
      return sqlLogStorage(sql, origin)
    },
    async close() {
      await sql.close()
      await rm(folder, { recursive: true })
    },
  }
})
