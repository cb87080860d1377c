import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { isQipError, systemClock, systemRandom } from '@quantum-ip/base'
import {
  admit,
  type Admission,
  openSession,
  openTransport,
  renewAdmission,
  type Transport,
} from '@quantum-ip/client'
import { type Authority, type AuthorityServer, createJoinToken, serveAuthority } from '../src/index.ts'
import { checkout, openIn, shop, td } from './support.ts'

let folder = ''
let authority: Authority
let served: AuthorityServer
let transport: Transport

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'qip-renewal-'))
  authority = await openIn(folder, { sessionTtlS: 30 })
  served = await serveAuthority({ authority, listeners: [{ host: '127.0.0.1', port: 0 }] })
  transport = openTransport({ url: served.bound[0]?.url ?? '' })
})

after(async () => {
  await transport.close()
  await served.close()
  await authority.close()
  await rm(folder, { recursive: true })
})

async function join1(sid: string, builds: readonly string[] = []): Promise<Admission> {
  const { token } = await createJoinToken(
    { sql: authority.store.sql, clock: systemClock, random: systemRandom, td },
    { sid, builds, role: 'workload', ttlS: 60 },
  )
  return admit(transport, { method: 'join-token', evidence: { token } })
}

const build = 'ab'.repeat(32)

test('a session is renewed without evidence, for the same service and builds', async () => {
  const first = await join1(checkout, [build])
  const next = await renewAdmission(transport, first)
  assert.notEqual(next.id, first.id)
  assert.deepEqual([next.sid, next.role, next.builds], [first.sid, first.role, first.builds])
  // What is under way in the one before goes on.
  for (const admission of [first, next]) {
    using session = openSession({ transport, admission })
    const target = '/v1/tokens'
    const body = Buffer.from(JSON.stringify({ audience: shop }))
    assert.equal((await session.request({ operation: 'a token', method: 'POST', target, body })).status, 200)
  }
})

test('renewal asks anew what admission asked: a build that was revoked meanwhile is not renewed', async () => {
  const other = 'cd'.repeat(32)
  const admission = await join1(checkout, [other])
  await authority.revoke({ kind: 'build', value: other, reason: 'test' })
  await assert.rejects(renewAdmission(transport, admission), (error) =>
    isQipError(error, 'QIP_CLIENT_AUTHORITY_REFUSED'),
  )
})

test('nobody renews a session without its key', async () => {
  const admission = await join1(checkout)
  const stolen = Object.defineProperty({ ...admission }, 'key', { value: new Uint8Array(32) }) as Admission
  await assert.rejects(renewAdmission(transport, stolen), (error) =>
    isQipError(error, 'QIP_CLIENT_AUTHORITY_REFUSED'),
  )
})

test('where an attestation is asked for, a workload that names no build is refused, and one that leaves its builds out', async (t) => {
  const strictFolder = await mkdtemp(join(tmpdir(), 'qip-strict-'))
  const strict = await openIn(strictFolder, { requireAttestation: [{ service: shop, demand: 'off' }] })
  const server = await serveAuthority({ authority: strict, listeners: [{ host: '127.0.0.1', port: 0 }] })
  const to = openTransport({ url: server.bound[0]?.url ?? '' })
  t.after(async () => {
    await to.close()
    await server.close()
    await strict.close()
    await rm(strictFolder, { recursive: true })
  })
  const enter = async (sid: string, builds: readonly string[], chosen?: readonly string[]) => {
    const { token } = await createJoinToken(
      { sql: strict.store.sql, clock: systemClock, random: systemRandom, td },
      { sid, builds, role: 'workload', ttlS: 60 },
    )
    const wanted = chosen === undefined ? {} : { builds: chosen }
    return admit(to, { method: 'join-token', evidence: { token }, ...wanted })
  }
  await assert.rejects(enter(checkout, []), /names no build/)
  await assert.rejects(enter(checkout, [build], []), /names no build/)
  await assert.rejects(enter(checkout, [build]), /no attestation|not attested|is not admitted/)
  assert.deepEqual((await enter(shop, [])).warnings, [])
})
