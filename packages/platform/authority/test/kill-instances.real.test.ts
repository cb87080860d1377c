import { test } from 'node:test'
import { openPostgresServer, postgresSkip } from '../../../../scripts/real-postgres.ts'
import { runInstanceKills } from './instances/run-instance-kills.ts'

const kills = Number(process.env['QIP_KILLS'] ?? 6)

test(
  `three instances on one PostgreSQL: after ${kills} kills no acknowledged token or attestation is lost, and the others go on`,
  { skip: postgresSkip },
  async (t) => {
    await using server = await openPostgresServer({ settings: ['max_connections = 100'] })
    t.diagnostic(await runInstanceKills(kills, server.url, t))
  },
)
