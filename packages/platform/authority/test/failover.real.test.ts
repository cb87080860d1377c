import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, suite, test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { connect, createServer, type Server, type Socket } from 'node:net'
import { parseMerkleToken } from '@quantum-ip/token'
import { openPostgresServer, type PostgresServer, postgresSkip } from '../../../../scripts/real-postgres.ts'
import { AuthorityInstance } from '../src/index.ts'
import { attestationOf, builder } from './instances/builder.ts'
import { Follower, optionsFor, orderOf, td } from './support.ts'

/** A name that follows the primary, as a virtual address does. */
class PrimaryName {
  readonly #server: Server
  readonly #sockets = new Set<Socket>()
  target: number

  constructor(target: number) {
    this.target = target
    this.#server = createServer((near) => {
      const far = connect(this.target, '127.0.0.1')
      for (const socket of [near, far]) {
        this.#sockets.add(socket)
        socket
          .on('error', () => undefined)
          .on('close', () => {
            this.#sockets.delete(socket)
            near.destroy()
            far.destroy()
          })
      }
      near.pipe(far)
      far.pipe(near)
    })
  }

  async listen(): Promise<number> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve))
    return (this.#server.address() as { port: number }).port
  }

  /** From here on connections go there; those that are open break. */
  move(target: number): void {
    this.target = target
    for (const socket of this.#sockets) socket.destroy()
  }

  close(): void {
    this.#server.close()
    this.move(0)
  }
}

let folder = ''
let primary: PostgresServer
let name: PrimaryName
let url = ''
const opened: AuthorityInstance[] = []
const events: string[] = []

async function open(instance: string): Promise<AuthorityInstance> {
  const one = await AuthorityInstance.open({
    name: instance,
    authority: {
      ...optionsFor({
        folder: join(folder, instance),
        highWaterFolder: join(folder, `${instance}-high-water`),
        custodyFolder: join(folder, 'keys'),
        postgres: { url, connectionsMax: 4, statementTimeoutMs: 3_000 },
      }),
      builders: [builder],
      onEvent: (event, detail) => events.push(`${instance} ${event} ${JSON.stringify(detail)}`),
    },
    listeners: [{ host: '127.0.0.1', port: 0 }],
    urlOf: (bound) => bound[0]?.url ?? '',
    serve: {},
  })
  opened.push(one)
  return one
}

async function eventually(what: string, isSo: () => boolean | Promise<boolean>): Promise<void> {
  for (let waits = 0; !(await isSo()); waits++) {
    assert.ok(waits < 600, `it never came about that ${what}\n${events.join('\n')}`)
    await pause(100)
  }
}

/** Tries until it is done: the database is away for a while. */
async function persist<Value>(work: () => Promise<Value>): Promise<Value> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await work()
    } catch (error) {
      if (attempt > 200) throw error
      await pause(100)
    }
  }
}

const issue = async (instance: AuthorityInstance): Promise<string> =>
  (await instance.issuing.issuer.issue(orderOf())).tokens[0] ?? ''

const register = async (instance: AuthorityInstance, build: string) => {
  const { leading } = instance
  assert.ok(leading)
  return (await leading.registry.register(await attestationOf(build))).registered
}

suite('a failover to a standby', { skip: postgresSkip }, () => {
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'qip-failover-'))
    primary = await openPostgresServer()
    name = new PrimaryName(primary.port)
    const port = await name.listen()
    url = primary.url.replace(String(primary.port), String(port))
    events.length = 0
  })
  afterEach(async () => {
    for (const instance of opened.splice(0)) await instance.close()
    name.close()
    await primary[Symbol.asyncDispose]()
    await rm(folder, { recursive: true })
  })

  test('that lost commits closes the logs that are behind, and opens the next; states and revocations do not go back', async () => {
    const [a, b] = [await open('a'), await open('b')]
    assert.equal(a.isLeading, true)
    const follower = await Follower.start(b.issuing)
    await register(a, '01'.repeat(32))
    await Promise.all([issue(a), issue(b)])
    await using standby = await primary.openStandby()
    await eventually(
      'the standby has it',
      async () => (await standby.run('SELECT count(*) FROM pg_stat_wal_receiver')) === '1',
    )
    // From here on nothing reaches the standby: an asynchronous one, whose connection is bad.
    await standby.run("ALTER SYSTEM SET primary_conninfo = 'host=127.0.0.1 port=1'")
    await standby.run('SELECT pg_reload_conf()')
    await eventually(
      'it is cut off',
      async () => (await standby.run('SELECT count(*) FROM pg_stat_wal_receiver')) === '0',
    )
    const lostAttestation = await register(a, '02'.repeat(32))
    const lostTokens = [await issue(a), await issue(b)]
    const origins = [a, b].map((instance) => instance.issuing.issuer.log.origin)
    const victim = `${td}/ns/prod/sa/victim`
    await a.leading?.revoke({ kind: 'identity', value: victim, reason: 'stolen' })
    await eventually('the verifier has seen it all', async () => {
      await follower.settle()
      return (
        lostTokens.every((token) => follower.holds(token)) &&
        follower.trust.revocations.isIdentityRevoked(victim, 1)
      )
    })
    await eventually('the other one has seen it', () => b.issuing.revocations.epoch === 1)
    const { seq } = b.issuing.publisher.current

    await primary.kill()
    await standby.promote()
    name.move(standby.port)

    await eventually('somebody leads', () => [a, b].some(({ isLeading }) => isLeading))
    await eventually('states go on', () => b.issuing.publisher.current.seq > seq)
    const after = await persist(() => Promise.all([issue(a), issue(b)]))
    for (const [nth, instance] of [a, b].entries()) {
      assert.notEqual(
        instance.issuing.issuer.log.origin,
        origins[nth],
        'a log that is behind its mark goes on',
      )
    }
    // The same envelope once more: the registry has lost it, and its old place is never used again.
    const again = await persist(async () => {
      const leader = [a, b].find(({ isLeading }) => isLeading)
      assert.ok(leader)
      return register(leader, '02'.repeat(32))
    })
    assert.notEqual(again.origin, lostAttestation.origin)
    const fresh = await Follower.start(b.issuing)
    await eventually('verifiers hold the heads of the next logs', async () => {
      await fresh.settle()
      return after.every((token) => fresh.holds(token))
    })
    await follower.settle()
    assert.ok(fresh.trust.revocations.isIdentityRevoked(victim, 1), 'a revocation was forgotten')
    assert.equal(parseMerkleToken(after[0] ?? '').index > 0, true)
  })

  test('that is synchronous loses nothing: the logs go on', async () => {
    await using standby = await primary.openStandby()
    await primary.run("ALTER SYSTEM SET synchronous_standby_names = '*'")
    await primary.run('SELECT pg_reload_conf()')
    await eventually(
      'the standby is waited for',
      async () =>
        (await primary.run("SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'sync'")) === '1',
    )
    const [a, b] = [await open('a'), await open('b')]
    const follower = await Follower.start(b.issuing)
    const { origin } = await register(a, '01'.repeat(32))
    const tokens = [await issue(a), await issue(b)]
    const origins = [a, b].map((instance) => instance.issuing.issuer.log.origin)

    await primary.kill()
    await standby.promote()
    name.move(standby.port)

    const more = await persist(() => Promise.all([issue(a), issue(b)]))
    assert.deepEqual(
      [a, b].map((instance) => instance.issuing.issuer.log.origin),
      origins,
    )
    const again = await persist(async () => {
      const leader = [a, b].find(({ isLeading }) => isLeading)
      assert.ok(leader)
      return register(leader, '02'.repeat(32))
    })
    assert.equal(again.origin, origin)
    await eventually('verifiers hold all heads', async () => {
      await follower.settle()
      return [...tokens, ...more].every((token) => follower.holds(token))
    })
    // The standby is the primary now, and alone.
    await standby.run("ALTER SYSTEM SET synchronous_standby_names = ''")
    await standby.run('SELECT pg_reload_conf()')
    for (const instance of opened.splice(0)) await instance.close()
  })
})
