import { metaSchema } from '../src/store/schema.ts'
import { wholeSchema } from '../src/store/migrations.ts'
import { openSqlite } from '../src/store/sqlite.ts'
import { after } from 'node:test'
import type { Sql } from '../src/store/sql.ts'
import { decisionCases } from './decision-cases.ts'

const opened: Sql[] = []
after(() => Promise.all(opened.map((sql) => sql.close())))

decisionCases(async () => {
  const sql = await openSqlite(':memory:', [...metaSchema, ...wholeSchema()])
  opened.push(sql)
  return sql
}, 300)
