import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { needComponent } from '../../../../scripts/real-components.ts'
import { makeCertificate } from '../../../edge/enforce/test/support/certificates.ts'
import { openRedisGuard, type RedisGuard, type RedisGuardOptions } from '../src/index.ts'
import { freePort, openAddress, openRedis, until } from './support/real-redis.ts'
import { emptyState, origin, tell, useOf } from './support/told.ts'

const redis = await needComponent('redis-server')
const { skip } = redis

// A guard that is left open would keep the process.
const opened: RedisGuard[] = []
after(() => {
  for (const guard of opened) guard.close()
})

async function openGuard(urls: string, options: Partial<RedisGuardOptions> = {}): Promise<RedisGuard> {
  const guard = await openRedisGuard({
    timeoutMs: 1_000,
    marginMs: 400,
    floorSkewMs: 0,
    watchMs: 100,
    ...options,
    redis: { urls, ...options.redis },
  })
  opened.push(guard)
  return guard
}

/** Shows states as they come until tokens that are issued now are taken. */
async function opens(guard: RedisGuard, size = 0): Promise<void> {
  await until(() => {
    guard.observe({ timeMs: Date.now(), logs: new Map([[origin, { size }]]) })
    return guard.ready()
  })
}

for (const policy of ['allkeys-lru', 'volatile-lru', 'volatile-ttl', 'allkeys-random']) {
  test(`refuses to start where Redis evicts by ${policy}`, { skip }, async () => {
    await using server = await openRedis(redis, ['--maxmemory-policy', policy])
    await assert.rejects(openRedisGuard({ redis: { urls: server.url } }), { code: 'QIP_REPLAY_EVICTS' })
  })
}

test('takes no more tokens once Redis is told to evict, and begins anew if it did', { skip }, async () => {
  await using server = await openRedis(redis)
  const told = tell()
  const guard = await openGuard(server.url, { observer: told })
  await opens(guard)
  assert.equal(await guard.consume(useOf(1)), 'fresh')
  await server.command('CONFIG', 'SET', 'maxmemory-policy', 'volatile-random')
  await until(() => guard.status().fault === 'evicts')
  assert.equal(await guard.consume(useOf(2)), 'unavailable')
  assert.equal(guard.ready(), false)
  await server.command('CONFIG', 'SET', 'maxmemory', '1mb')
  // Evicting all there is does not make room enough.
  await server.command('SET', 'somebody', 'x').catch(() => {})
  await server.command('CONFIG', 'SET', 'maxmemory', '0')
  await server.command('CONFIG', 'SET', 'maxmemory-policy', 'noeviction')
  await opens(guard, 3)
  assert.equal(await guard.consume(useOf(1)), 'unavailable', 'it may have been forgotten')
  assert.equal(await guard.consume(useOf(3)), 'fresh')
  assert.ok(told.causes.includes('evicted'), told.causes.join())
  assert.ok(told.events.some((text) => text.includes('maxmemory-policy')))
})

test('refuses tokens where Redis is full, and forgets none', { skip }, async () => {
  await using server = await openRedis(redis)
  const guard = await openGuard(server.url)
  await opens(guard)
  assert.equal(await guard.consume(useOf(1)), 'fresh')
  await server.command('CONFIG', 'SET', 'maxmemory', '1mb')
  assert.equal(await guard.consume(useOf(2)), 'unavailable')
  await server.command('CONFIG', 'SET', 'maxmemory', '0')
  await until(async () => (await guard.consume(useOf(2))) !== 'unavailable')
  assert.equal(await guard.consume(useOf(2)), 'replayed')
  assert.equal(await guard.consume(useOf(1)), 'replayed')
})

test(
  'begins anew after FLUSHALL: what was used before is refused, what is issued after is taken',
  { skip },
  async () => {
    await using server = await openRedis(redis)
    const told = tell()
    const guard = await openGuard(server.url, { observer: told, watchMs: 60_000 })
    await opens(guard)
    assert.equal(await guard.consume(useOf(1)), 'fresh')
    await server.command('FLUSHALL')
    assert.equal(await guard.consume(useOf(1)), 'unavailable')
    assert.equal(await guard.consume(useOf(2)), 'unavailable', 'it may have been used, too')
    await opens(guard, 3)
    assert.equal(await guard.consume(useOf(2)), 'unavailable')
    assert.equal(await guard.consume(useOf(3)), 'fresh')
    assert.deepEqual(told.causes, ['new', 'lost'])
  },
)

test('a verifier that starts later takes what was issued while the others remembered', { skip }, async () => {
  await using server = await openRedis(redis)
  const first = await openGuard(server.url)
  await opens(first)
  const token = useOf(1, { issuedS: Math.floor(Date.now() / 1_000) + 31 })
  assert.equal(await first.consume(token), 'fresh')
  const second = await openGuard(server.url)
  // No state seen yet: the time of the token says enough.
  assert.equal(await second.consume(token), 'replayed')
  assert.equal(await second.consume({ ...token, index: 2 }), 'fresh')
})

test(
  'gives up on a stopped Redis in time, counts the token as used, and is quick once it is known',
  { skip },
  async () => {
    await using server = await openRedis(redis)
    const told = tell()
    const guard = await openGuard(server.url, { observer: told, timeoutMs: 500, watchMs: 60_000 })
    await opens(guard)
    server.signal('SIGSTOP')
    for (const index of [16, 32, 48, 64, 80]) assert.equal(await guard.consume(useOf(index)), 'unavailable')
    assert.equal(told.faults.get('timeout'), 3, 'then the breaker is open')
    assert.equal(told.faults.get('open'), 2)
    server.signal('SIGCONT')
    await until(async () => (await guard.consume(useOf(96))) !== 'unavailable')
    assert.equal(await guard.consume(useOf(16)), 'replayed', 'it was asked, and Redis got to it later')
    assert.equal(await guard.consume(useOf(112)), 'fresh')
  },
)

test('is unavailable at once while Redis is away, says so, and comes back', { skip }, async () => {
  await using server = await openRedis(redis)
  const told = tell()
  const guard = await openGuard(server.url, { observer: told })
  await opens(guard)
  await server.kill()
  await until(() => !guard.ready())
  assert.equal(guard.consume(useOf(1)), 'unavailable', 'without waiting')
  assert.equal(guard.status().fault, 'away')
  await server.start()
  await opens(guard)
  assert.equal(await guard.consume(useOf(1)), 'fresh')
  assert.deepEqual(told.causes, ['new', 'primary'])
})

test('opens without a Redis, and takes tokens once there is one', { skip }, async () => {
  await using server = await openRedis(redis)
  await server.kill()
  const guard = await openGuard(server.url)
  assert.deepEqual(guard.status(), { ready: false, fault: 'away' })
  await server.start()
  await opens(guard)
  assert.equal(await guard.consume(useOf(1)), 'fresh')
})

test(
  'a replica that takes over has nothing accepted twice, though it had not heard of the last tokens',
  { skip },
  async () => {
    await using primary = await openRedis(redis, ['--repl-diskless-sync-delay', '0'])
    await using replica = await openRedis(redis, ['--replicaof', '127.0.0.1', String(primary.port)])
    await until(async () =>
      String(await replica.command('INFO', 'replication')).includes('master_link_status:up'),
    )
    await using address = await openAddress(primary.port)
    const told = tell()
    const guard = await openGuard(address.url, { observer: told })
    await opens(guard)
    const token = useOf(1)
    assert.equal(await guard.consume(token), 'fresh')
    // Replication stands still: the replica will not hear of the next one.
    replica.signal('SIGSTOP')
    const lost = useOf(2)
    assert.equal(await guard.consume(lost), 'fresh')
    await primary.kill()
    replica.signal('SIGCONT')
    await replica.command('REPLICAOF', 'NO', 'ONE')
    address.lead(replica.port)
    await until(() => told.causes.includes('primary'))
    assert.equal(await guard.consume(lost), 'unavailable')
    assert.equal(await guard.consume(token), 'unavailable')
    assert.equal(await guard.consume(useOf(3)), 'unavailable', 'issued before the margin was over')
    await opens(guard, 4)
    assert.equal(await guard.consume(useOf(4)), 'fresh')
    assert.equal(await guard.consume(lost), 'unavailable')
  },
)

test(
  'a primary that becomes a replica is not asked any more, and the address is followed to the new one',
  { skip },
  async () => {
    await using one = await openRedis(redis)
    await using two = await openRedis(redis)
    await using address = await openAddress(one.port)
    const guard = await openGuard(address.url, { watchMs: 60_000 })
    await opens(guard)
    assert.equal(await guard.consume(useOf(1)), 'fresh')
    await one.command('REPLICAOF', '127.0.0.1', String(two.port))
    await until(async () => (await guard.consume(useOf(2))) === 'unavailable')
    address.lead(two.port)
    let next = 3
    await until(async () => {
      guard.observe({ timeMs: Date.now(), logs: new Map([[origin, { size: next }]]) })
      return (await guard.consume(useOf(next++))) === 'fresh'
    })
    assert.equal(await guard.consume(useOf(1)), 'unavailable')
  },
)

test(
  'a primary that was replaced for a moment and came back with other data begins anew on the same connection',
  { skip },
  async () => {
    await using one = await openRedis(redis)
    await using two = await openRedis(redis)
    const guard = await openGuard(one.url, { watchMs: 60_000 })
    await opens(guard)
    assert.equal(await guard.consume(useOf(1)), 'fresh')
    await one.command('REPLICAOF', '127.0.0.1', String(two.port))
    await until(async () =>
      String(await one.command('INFO', 'replication')).includes('master_link_status:up'),
    )
    await one.command('REPLICAOF', 'NO', 'ONE')
    assert.equal(await guard.consume(useOf(1)), 'unavailable')
  },
)

test(
  'password and user come from the URL, a wrong one is refused, and no error repeats it',
  { skip },
  async () => {
    await using server = await openRedis(redis, ['--requirepass', 'S3cret-Marker'])
    const { port } = server
    const guard = await openGuard(`redis://default:S3cret-Marker@127.0.0.1:${port}`)
    await opens(guard)
    assert.equal(await guard.consume(useOf(1)), 'fresh')
    for (const urls of [`redis://:Wrong-Marker@127.0.0.1:${port}`, `redis://127.0.0.1:${port}`]) {
      await assert.rejects(openRedisGuard({ redis: { urls } }), (error: Error & { code?: string }) => {
        assert.equal(error.code, 'QIP_REPLAY_DENIED')
        assert.doesNotMatch(`${error.message} ${JSON.stringify(error)}`, /Marker/)
        return true
      })
    }
  },
)

test('a user needs no more rights than the error names', { skip }, async () => {
  await using server = await openRedis(redis)
  const rights = '+eval +evalsha +info +get +set +time +client +hello +ping'.split(' ')
  await server.command('ACL', 'SETUSER', 'qip', 'on', '>pass', '~{qip:*', ...rights)
  const guard = await openGuard(`redis://qip:pass@127.0.0.1:${server.port}`)
  await opens(guard)
  assert.equal(await guard.consume(useOf(1)), 'fresh')
  await server.command('ACL', 'SETUSER', 'qip', '-info')
  await assert.rejects(openRedisGuard({ redis: { urls: `redis://qip:pass@127.0.0.1:${server.port}` } }), {
    code: 'QIP_REPLAY_DENIED',
  })
})

test('speaks TLS with a private authority, and not with a stranger', { skip }, async () => {
  const { cert: certificate, key } = makeCertificate('localhost')
  await using plain = await openRedis(redis)
  await writeFile(join(plain.folder, 'cert.pem'), certificate)
  await writeFile(join(plain.folder, 'key.pem'), key)
  const tlsPort = await freePort()
  await plain.command(
    'CONFIG',
    'SET',
    'tls-cert-file',
    'cert.pem',
    'tls-key-file',
    'key.pem',
    'tls-auth-clients',
    'no',
    'tls-port',
    String(tlsPort),
  )
  const guard = await openGuard(`rediss://localhost:${tlsPort}`, {
    redis: { urls: `rediss://localhost:${tlsPort}`, ca: certificate },
  })
  await opens(guard)
  assert.equal(await guard.consume(useOf(1)), 'fresh')
  const stranger = await openGuard(`rediss://localhost:${tlsPort}`)
  assert.deepEqual(stranger.status(), { ready: false, fault: 'away' })
})

test(
  'refuses while the clocks are more than a minute apart, and begins anew afterwards',
  { skip },
  async () => {
    await using server = await openRedis(redis)
    let aheadMs = 0
    const told = tell()
    const guard = await openGuard(server.url, { observer: told, clock: { now: () => Date.now() + aheadMs } })
    await opens(guard)
    assert.equal(await guard.consume(useOf(1)), 'fresh')
    aheadMs = -61_000
    await until(() => guard.status().fault === 'clock')
    assert.equal(await guard.consume(useOf(2)), 'unavailable')
    aheadMs = 0
    await opens(guard, 3)
    assert.equal(await guard.consume(useOf(1)), 'unavailable')
    assert.equal(await guard.consume(useOf(3)), 'fresh')
    assert.ok(told.causes.includes('clock'))
  },
)

test(
  'a token is remembered a minute longer than any verifier takes it, and no longer',
  { skip },
  async () => {
    await using server = await openRedis(redis)
    const guard = await openGuard(server.url)
    await opens(guard)
    const token = useOf(1)
    assert.equal(await guard.consume(token), 'fresh')
    const [name] = (await server.command('KEYS', `*${origin}/1`)) as string[]
    const endsMs = Number(await server.command('PEXPIRETIME', String(name)))
    assert.equal(endsMs, (token.expiresS + 30 + 60) * 1_000)
  },
)

test('a state of the future opens nothing that the memory does not', { skip }, async () => {
  await using server = await openRedis(redis)
  const guard = await openGuard(server.url)
  guard.observe({ ...emptyState(-1_000_000) })
  assert.equal(guard.ready(), false)
})
