import { test } from 'node:test'
import { openPostgresServer, postgresSkip } from '../../../../scripts/real-postgres.ts'
import { runKills } from './kill/run-kills.ts'

const kills = Number(process.env['QIP_KILLS'] ?? 8)

test(
  `on PostgreSQL, after each of ${kills} kills of the authority or the server the log verifies whole, and every token is provable`,
  { skip: postgresSkip },
  async (t) => {
    await using server = await openPostgresServer()
    await runKills(kills, t, server)
  },
)
