import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { test } from 'node:test'
import { systemClock } from '@quantum-ip/base'
import { admit, openSession, openTransport, openTrustFollower } from '@quantum-ip/client'
import { pinsOf, TrustStore } from '@quantum-ip/trust'
import { createVerifier, type Reason, type Verifier } from '@quantum-ip/verifier'
import { type Authority, createJoinToken, serveAuthority } from '../src/index.ts'
import { issue, issuing, openIn, shop, td } from './support.ts'

const members = 6

interface Member {
  readonly verifier: Verifier
  readonly store: TrustStore
  readonly close: () => Promise<void>
}

async function join1(authority: Authority, url: string, nth: number): Promise<Member> {
  const { sql } = authority.store
  const { clock, random } = authority
  const order = { sid: `${td}/ns/prod/sa/edge-${nth}`, builds: [], role: 'verifier', ttlS: 60 } as const
  const { token } = await createJoinToken({ sql, clock, random, td }, order)
  const transport = openTransport({ url })
  const admission = await admit(transport, { method: 'join-token', evidence: { token } })
  const session = openSession({ transport, admission })
  const store = new TrustStore({ td, pins: pinsOf(authority.root) })
  const follower = await openTrustFollower({ session, store, point: `edge-${nth}` })
  const verifier = createVerifier({ trust: store, clock: systemClock })
  return {
    verifier,
    store,
    async close() {
      verifier.close()
      await follower.close()
      session.close()
      await transport.close()
    },
  }
}

/** Waits for what an answer is to become, and returns what it is. */
async function becomes(wanted: Reason, ask: () => Promise<Reason>): Promise<Reason> {
  const deadline = performance.now() + 20_000
  let last = await ask()
  while (last !== wanted && performance.now() < deadline) {
    await sleep(25)
    last = await ask()
  }
  return last
}

async function reasonOf({ verifier }: Member, [token = '']: readonly string[]): Promise<Reason> {
  return (await verifier.verify({ token, tokenCount: 1, audience: shop })).reason
}

test('the tokens of a revoked issuing key are refused by every member, cached or not; those of the other keys hold', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'qip-compromise-'))
  const authority = await openIn(folder)
  const served = await serveAuthority({ authority, listeners: [{ host: '127.0.0.1', port: 0 }] })
  const url = served.bound[0]?.url ?? ''
  const fleet = await Promise.all(Array.from({ length: members }, (_, nth) => join1(authority, url, nth)))
  const everywhere = (tokens: readonly string[], wanted: Reason) =>
    Promise.all(fleet.map((member) => becomes(wanted, () => reasonOf(member, tokens))))
  const all = (reason: Reason) => fleet.map(() => reason)
  try {
    const { tokens: older } = await issue(authority)
    const olderKid = authority.issuer.log.kid
    await authority.rotate(issuing)
    const deadline = performance.now() + 20_000
    while (authority.issuer.log.kid === olderKid && performance.now() < deadline) await sleep(50)
    const stolenKid = authority.issuer.log.kid
    assert.notEqual(stolenKid, olderKid)
    const { tokens: stolen } = await issue(authority)
    const { tokens: unseen } = await issue(authority)
    assert.deepEqual(await everywhere(older, 'ok'), all('ok'))
    assert.deepEqual(await everywhere(stolen, 'ok'), all('ok'), 'held, and from now on cached')

    await authority.revoke({ kind: 'key', value: stolenKid, reason: 'drill' })

    assert.deepEqual(await everywhere(stolen, 'key_revoked'), all('key_revoked'))
    assert.deepEqual(
      await everywhere(unseen, 'key_revoked'),
      all('key_revoked'),
      'also where it was never seen',
    )
    assert.deepEqual(await everywhere(older, 'ok'), all('ok'))
    assert.ok(![stolenKid, olderKid].includes(authority.issuer.log.kid), 'the next key issues')
    const { tokens: next } = await issue(authority)
    assert.deepEqual(await everywhere(next, 'ok'), all('ok'))
  } finally {
    await Promise.all(fleet.map((member) => member.close()))
    await served.close()
    await authority.close()
    await rm(folder, { recursive: true })
  }
})
