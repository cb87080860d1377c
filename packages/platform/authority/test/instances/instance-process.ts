// One of several authorities as a process of its own, to be killed. Prints one line: where it listens, and a join token.
import { join } from 'node:path'
import { AuthorityInstance, createJoinToken, serveInstance } from '../../src/index.ts'
import { checkout, optionsFor, td } from '../support.ts'
import { builder } from './builder.ts'

const [folder = '', name = '', database = ''] = process.argv.slice(2)
const instance = await AuthorityInstance.open({
  name,
  authority: {
    ...optionsFor({
      folder: join(folder, name),
      highWaterFolder: join(folder, `${name}-high-water`),
      custodyFolder: join(folder, 'keys'),
      postgres: { url: database, connectionsMax: 6 },
    }),
    builders: [builder],
    onEvent: (event, detail) => process.stderr.write(`${name}: ${event} ${JSON.stringify(detail)}\n`),
  },
  listeners: [{ host: '127.0.0.1', port: 0 }],
  urlOf: (bound) => bound[0]?.url ?? '',
  serve: {},
})
const served = await serveInstance({ instance, listeners: [{ host: '127.0.0.1', port: 0 }] })
const { store, clock } = instance.issuing
const { token } = await createJoinToken(
  { sql: store.sql, clock, random: { bytes: (count) => crypto.getRandomValues(new Uint8Array(count)) }, td },
  { sid: checkout, builds: [], role: 'workload', ttlS: 3_600 },
)
process.stdout.write(`${JSON.stringify({ url: served.bound[0]?.url, joinToken: token })}\n`)
// Whoever started it is gone: so is it.
process.stdin.resume().on('close', () => process.exit())
