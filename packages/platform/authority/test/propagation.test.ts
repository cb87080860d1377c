import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { test } from 'node:test'
import {
  admit,
  openSession,
  openTransport,
  openTrustFollower,
  type Session,
  type TrustFollower,
} from '@quantum-ip/client'
import { pinsOf, TrustStore } from '@quantum-ip/trust'
import { type Authority, type AuthorityServer, createJoinToken, serveAuthority } from '../src/index.ts'
import { openIn, td } from './support.ts'

// Real followers over HTTP, a real authority; the sizes of the requirement are in `npm run bench -- --only revocation`.
const followers = 12
const revocations = 60
/** After the first third the authority is restarted; in the second each follower loses its connections once. */
const third = revocations / 3

interface Member {
  readonly follower: TrustFollower
  readonly session: Session
  readonly seen: number[]
  readonly close: () => Promise<void>
}

async function serve(
  folder: string,
  port: number,
): Promise<{ authority: Authority; served: AuthorityServer }> {
  const authority = await openIn(folder)
  const served = await serveAuthority({ authority, listeners: [{ host: '127.0.0.1', port }] })
  return { authority, served }
}

async function join1(authority: Authority, url: string, nth: number): Promise<Member> {
  const { store, clock, random } = authority
  const { token } = await createJoinToken(
    { sql: store.sql, clock, random, td },
    { sid: `${td}/ns/prod/sa/edge-${nth}`, builds: [], role: 'verifier', ttlS: 60 },
  )
  const transport = openTransport({ url })
  const session = openSession({
    transport,
    admission: await admit(transport, { method: 'join-token', evidence: { token } }),
  })
  const trust = new TrustStore({ td, pins: pinsOf(authority.root) })
  const seen: number[] = []
  trust.subscribe({ onEpoch: (epoch) => seen.push(epoch) })
  const follower = await openTrustFollower({
    session,
    store: trust,
    point: `edge-${nth}`,
    timing: { reconnectMs: 50, reconnectMaxMs: 200 },
  })
  return {
    follower,
    session,
    seen,
    async close() {
      await follower.close()
      session.close()
      await transport.close()
    },
  }
}

async function until(holds: () => boolean): Promise<void> {
  const deadline = performance.now() + 20_000
  while (!holds() && performance.now() < deadline) await sleep(20)
  assert.ok(holds())
}

test('no revocation is lost to any follower, across lost connections and a restart of the authority', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'qip-propagation-'))
  let { authority, served } = await serve(folder, 0)
  const url = served.bound[0]?.url ?? ''
  const port = Number(new URL(url).port)
  const members = await Promise.all(Array.from({ length: followers }, (_, nth) => join1(authority, url, nth)))
  const revoke = async (count: number) => {
    for (let nth = 0; nth < count; nth++) {
      const value = `${td}/ns/prod/sa/gone-${authority.revocations.epoch}`
      await authority.revoke({ kind: 'identity', value, reason: 'test' })
    }
  }
  try {
    await revoke(third)
    await served.close()
    await authority.close()
    ;({ authority, served } = await serve(folder, port))
    await revoke(third)
    // All feeds are cut, and opened again while revocations go on.
    served.server.app.server.closeAllConnections()
    await revoke(third)
    await until(() => members.every(({ follower }) => follower.store.epoch === revocations))
    for (const { follower, seen } of members) {
      assert.ok(follower.store.revocations.isIdentityRevoked(`${td}/ns/prod/sa/gone-${revocations - 1}`, 0))
      assert.equal(follower.store.revocations.size, revocations)
      assert.deepEqual(
        seen,
        seen.toSorted((a, b) => a - b),
      )
    }
  } finally {
    await Promise.all(members.map((member) => member.close()))
    await served.close()
    await authority.close()
    await rm(folder, { recursive: true })
  }
})

test('measures how long a revocation took to each member, by the clock of the authority', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'qip-propagation-'))
  const { authority, served } = await serve(folder, 0)
  const member = await join1(authority, served.bound[0]?.url ?? '', 1)
  try {
    const { record } = await authority.revoke({ kind: 'identity', value: `${td}/a`, reason: 'test' })
    const key = () => authority.fleet.list().find(({ point }) => point === 'edge-1')
    const known = () => {
      const found = key()
      return found && authority.propagation.of(`${found.session} ${found.point}`)
    }
    await until(() => known()?.epoch === record.epoch)
    const { ms } = known() as { ms: number }
    assert.ok(Number.isInteger(ms) && ms >= 0)
  } finally {
    await member.close()
    await served.close()
    await authority.close()
    await rm(folder, { recursive: true })
  }
})
