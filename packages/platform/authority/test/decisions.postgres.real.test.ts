import { after, suite } from 'node:test'
import { openPostgresServer, type PostgresServer, postgresSkip } from '../../../../scripts/real-postgres.ts'
import { wholeSchema } from '../src/store/migrations.ts'
import { openPostgres } from '../src/store/postgres.ts'
import type { Sql } from '../src/store/sql.ts'
import { decisionCases } from './decision-cases.ts'

const opened: Sql[] = []
let server: PostgresServer | undefined
after(async () => {
  await Promise.all(opened.map((sql) => sql.close()))
  await server?.[Symbol.asyncDispose]()
})

suite('decisions in PostgreSQL', { skip: postgresSkip }, () => {
  decisionCases(async () => {
    server ??= await openPostgresServer()
    const name = `decisions${opened.length + 1}`
    await server.run(`CREATE DATABASE ${name} OWNER qip`)
    const sql = await openPostgres({ url: server.url.replace(/qip$/, name) }, wholeSchema())
    opened.push(sql)
    return sql
  }, 100)
})
