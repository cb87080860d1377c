// An authority as a process of its own, for the bench: prints one JSON line with all that a client needs, then rotates keys as it
// is asked to.
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseAdmissionRules } from '@quantum-ip/attestation'
import { Authority, createJoinToken, serveAuthority } from '@quantum-ip/authority'
import { generatePrivateKey, privateJwk } from '@quantum-ip/crypto'
import { answerLines } from '../lib/answer-lines.ts'

const td = 'spiffe://acme.example'
const builder = 'https://ci.acme.example/release'
const folder = await mkdtemp(join(tmpdir(), 'qip-bench-authority-'))
const builderKeys = [generatePrivateKey('ML-DSA-65'), generatePrivateKey('Ed25519')]

// Named: the store is a PostgreSQL database.
const [database] = process.argv.slice(2)
const authority = await Authority.open({
  trustDomain: td,
  places: {
    ...(database !== undefined && { postgres: { url: database } }),
    folder: join(folder, 'data'),
    highWaterFolder: join(folder, 'high-water'),
    custodyFolder: join(folder, 'keys'),
  },
  rules: parseAdmissionRules([{ service: `${td}/ns/prod/sa/*`, builder: 'https://ci.acme.example/*' }]),
  builders: [{ id: builder, keys: builderKeys.map(({ publicKey }) => publicKey), slsaLevel: 3 }],
  requireAttestation: [{ service: '**', demand: 'off' }],
})
const served = await serveAuthority({ authority, listeners: [{ host: '127.0.0.1', port: 0 }] })

const join1 = (role: 'workload' | 'verifier', name: string): Promise<{ readonly token: string }> =>
  createJoinToken(
    { sql: authority.store.sql, clock: authority.clock, random: authority.random, td },
    {
      sid: `${td}/ns/prod/sa/${name}`,
      builds: role === 'workload' ? ['07'.repeat(32)] : [],
      role,
      ttlS: 3_600,
    },
  )

/** Rotates a key, and waits until the new one signs. */
async function rotate(use: 'qip-token'): Promise<{ readonly phase: string; readonly waitedMs: number }> {
  const started = performance.now()
  let rotation = await authority.rotate({ use, askedBy: 'bench' })
  while (rotation.phase === 'waiting' && performance.now() - started < 60_000) {
    await sleep(5)
    rotation = await authority.rotations.find(rotation.number)
  }
  return { phase: rotation.phase, waitedMs: performance.now() - started }
}

answerLines({
  info: {
    url: served.bound[0]?.url,
    td,
    builder,
    builderKeys: builderKeys.map((key) => privateJwk(key)),
    joinTokens: [(await join1('workload', 'checkout-app')).token],
    memberTokens: [(await join1('verifier', 'gateway')).token],
    pins: { thumbprints: authority.root.roots.map(({ kid }) => kid), threshold: authority.root.threshold },
  },
  answer: (message) => rotate((message as { readonly rotate: 'qip-token' }).rotate),
  async close() {
    await served.close()
    await authority.close()
    await rm(folder, { recursive: true, force: true })
  },
})
