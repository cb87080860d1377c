// An authority as a process of its own, to be killed. Prints one line: where it listens, and a join token.
import { createJoinToken, serveAuthority } from '../../src/index.ts'
import { checkout, openIn, placesIn, td } from '../support.ts'

const [folder = '', database] = process.argv.slice(2)
const places = placesIn(folder)
const authority = await openIn(folder, {
  places: database === undefined ? places : { ...places, postgres: { url: database } },
})
const served = await serveAuthority({ authority, listeners: [{ host: '127.0.0.1', port: 0 }] })
const { store, clock, random } = authority
const { token } = await createJoinToken(
  { sql: store.sql, clock, random, td },
  { sid: checkout, builds: [], role: 'workload', ttlS: 3_600 },
)
process.stdout.write(`${JSON.stringify({ url: served.bound[0]?.url, joinToken: token })}\n`)
// Whoever started it is gone: so is it.
process.stdin.resume().on('close', () => process.exit())
