import { after } from 'node:test'
import { openPostgresServer, postgresSkip } from '../../../../scripts/real-postgres.ts'
import { useDatabases } from './support.ts'

/** Opens the stores of a test file in a real PostgreSQL, each in a database of its own. @returns whether there is one */
export async function usePostgres(): Promise<boolean> {
  if (postgresSkip !== false) return false
  const server = await openPostgresServer({ settings: ['max_connections = 200'] })
  after(() => server[Symbol.asyncDispose]())
  const names = new Map<string, string>()
  const nameOf = (folder: string): string => names.get(folder) ?? `store${names.size + 1}`
  useDatabases({
    async url(folder) {
      const name = nameOf(folder)
      if (!names.has(folder)) await server.run(`CREATE DATABASE ${name} OWNER qip`)
      names.set(folder, name)
      return server.url.replace(/qip$/, name)
    },
    async copy(from, to) {
      const name = nameOf(to)
      if (names.has(to)) await server.run(`DROP DATABASE ${name} WITH (FORCE)`)
      names.set(to, name)
      await server.run(`CREATE DATABASE ${name} OWNER qip TEMPLATE ${nameOf(from)}`)
    },
  })
  return true
}
