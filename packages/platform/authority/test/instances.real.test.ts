import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, suite, test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { openPostgresServer, type PostgresServer, postgresSkip } from '../../../../scripts/real-postgres.ts'
import { AuthorityInstance } from '../src/index.ts'
import { AbsentInstances } from '../src/instances/absent-instances.ts'
import { Follower, optionsFor, orderOf, td } from './support.ts'

let folder = ''
let server: PostgresServer
const opened: AuthorityInstance[] = []

/** Waits for something that other instances bring about. */
async function eventually(what: string, isSo: () => boolean | Promise<boolean>): Promise<void> {
  for (let waits = 0; !(await isSo()); waits++) {
    assert.ok(waits < 600, `it never came about that ${what}`)
    await pause(50)
  }
}

async function open(name: string, url = server.url): Promise<AuthorityInstance> {
  const instance = await AuthorityInstance.open({
    name,
    authority: {
      ...optionsFor({
        folder: join(folder, name),
        highWaterFolder: join(folder, `${name}-high-water`),
        // A key service, or a folder that all of them share.
        custodyFolder: join(folder, 'keys'),
        postgres: { url, connectionsMax: 4 },
      }),
      ...(process.env['QIP_TEST_EVENTS'] !== undefined && {
        onEvent: (event: string, detail: unknown) =>
          process.stderr.write(`${name}: ${event} ${JSON.stringify(detail)}\n`),
      }),
    },
    listeners: [{ host: '127.0.0.1', port: 0 }],
    urlOf: (bound) => bound[0]?.url ?? '',
    serve: {},
  })
  opened.push(instance)
  return instance
}

const issue = async (instance: AuthorityInstance): Promise<string> =>
  (await instance.issuing.issuer.issue(orderOf())).tokens[0] ?? ''

suite('several authorities on one PostgreSQL', { skip: postgresSkip }, () => {
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'qip-instances-'))
    server = await openPostgresServer()
  })
  afterEach(async () => {
    for (const instance of opened.splice(0)) await instance.close()
    await server[Symbol.asyncDispose]()
    await rm(folder, { recursive: true })
  })

  test('each issues on a log of its own, and a verifier that follows any of them holds the heads of all', async () => {
    const [a, b] = [await open('a'), await open('b')]
    assert.deepEqual([a.isLeading, b.isLeading], [true, false])
    assert.notEqual(a.issuing.issuer.log.origin, b.issuing.issuer.log.origin)
    const follower = await Follower.start(b.issuing)
    const tokens = await Promise.all([a, b, a, b].map((instance) => issue(instance)))
    await eventually('all heads are listed', async () => {
      await follower.settle()
      return tokens.every((token) => follower.holds(token))
    })
  })

  test('instances that start at once take different logs, and only one leads', async () => {
    await open('a')
    const others = await Promise.all(['b', 'c', 'd'].map((name) => open(name)))
    const logs = opened.flatMap(({ issuing: { keys, issuer } }) => [
      issuer.log.origin,
      keys.find('qip-token', 'published')?.record.log,
    ])
    assert.equal(new Set(logs).size, 8)
    assert.ok(others.every(({ isLeading }) => !isLeading))
  })

  test('the issuing keys of an instance that is gone for good are retired, and nobody else’s', async () => {
    const [a, b] = [await open('a'), await open('b')]
    const { leading } = a
    assert.ok(leading)
    const log = b.issuing.issuer.log.origin
    await opened.pop()?.close()
    const absent = new AbsentInstances()
    const { keys, store } = leading
    await keys.refresh()
    const nowMs = Date.now()
    assert.equal(await absent.retire({ sql: store.sql, keys }, nowMs), 0)
    await a.issuing.maintain()
    assert.equal(await absent.retire({ sql: store.sql, keys }, nowMs + 3 * 3_600_000), 2)
    assert.equal(keys.list().find(({ record }) => record.log === log)?.record.state, 'retired')
    await a.issuing.maintain()
    await issue(a)
  })

  test('what the leader revokes ends the sessions and the keys of all', async () => {
    const [a, b] = [await open('a'), await open('b')]
    const { kid, origin } = b.issuing.issuer.log
    const leader = a.leading
    await leader?.revoke({ kind: 'key', value: kid, reason: 'stolen' })
    await eventually('the instance goes over to its next key', () => b.issuing.issuer.log.kid !== kid)
    assert.notEqual(b.issuing.issuer.log.origin, origin)
    const follower = await Follower.start(a.issuing)
    const token = await issue(b)
    await eventually('a verifier holds the head of the next log', async () => {
      await follower.settle()
      return follower.holds(token)
    })
    await leader?.revoke({ kind: 'identity', value: `${td}/ns/prod/sa/checkout`, reason: 'gone' })
    await eventually('it issues to that service no more', () =>
      issue(b).then(
        () => false,
        () => true,
      ),
    )
  })

  test('when the leader leaves, another one takes over, and states go on', async () => {
    const [a, b] = [await open('a'), await open('b')]
    const follower = await Follower.start(b.issuing)
    const { seq } = b.issuing.publisher.current
    await opened.shift()?.close()
    assert.equal(a.isLeading, true)
    await eventually('the other one leads', () => b.isLeading)
    const token = await issue(b)
    await eventually('its states are followed', async () => {
      await follower.settle()
      return follower.holds(token) && b.issuing.publisher.current.seq > seq
    })
  })
})
