import assert from 'node:assert/strict'
import { test } from 'node:test'
import { utf8 } from '@quantum-ip/base'
import type { Requester } from '@quantum-ip/client'
import { type Envelope, formatEnvelope, generatePrivateKey, sha256 } from '@quantum-ip/crypto'
import { type PolicyVersion, signPolicyRollout, signPolicyText, type TrustStore } from '@quantum-ip/trust'
import { verifyPolicyHistory } from './verify-policy-history.ts'

// The authority and the trust store here are stand-ins that are told what they hold; what is signed and verified is real.

const td = 'spiffe://acme.example'
const key = generatePrivateKey('ML-DSA-44')
const former = generatePrivateKey('ML-DSA-44')

interface Held {
  readonly documents: Map<string, Envelope>
  readonly numbers: readonly number[]
  readonly stated: PolicyVersion
}

/** Three rollouts of two versions, the oldest signed by a key that does not count any more. */
async function history(): Promise<Held> {
  const documents = new Map<string, Envelope>()
  for (const version of [1, 2]) documents.set(`versions/${version}`, await textOf(version))
  let previous: Uint8Array | undefined
  for (const [number, version] of [
    [11, 1],
    [12, 2],
    [13, 1],
  ] as const) {
    const envelope = await rolloutOf(documents, { number, version, previous })
    documents.set(`rollouts/${number}`, envelope)
    previous = sha256(envelope.payload)
  }
  return { documents, numbers: [13, 12, 11], stated: { version: 13, sha256: previous as Uint8Array } }
}

function textOf(version: number, text = `version ${version}`): Promise<Envelope> {
  return signPolicyText({ td, name: 'shop', version, timeMs: 1, author: 'ada', comment: '', text }, key)
}

function rolloutOf(
  documents: Held['documents'],
  { number, version, previous }: { number: number; version: number; previous: Uint8Array | undefined },
): Promise<Envelope> {
  const hash = sha256(documents.get(`versions/${version}`)?.payload ?? utf8(''))
  const active = { version, sha256: hash, mode: undefined, share: 0 }
  const why = { action: 'activate', by: 'ada', reason: '', timeMs: number }
  const rollout = { td, policy: 'shop', number, previous, ...why, active, candidate: undefined }
  return signPolicyRollout(rollout, number === 11 ? former : key)
}

function verify({ documents, numbers, stated }: Held) {
  const requester = {
    request: ({ target }: { readonly target: string }) => {
      const found = documents.get(target.replace('/v1/policies/shop/', ''))
      assert.ok(found, target)
      return Promise.resolve({ body: utf8(formatEnvelope(found)) })
    },
  } as unknown as Requester
  const record = { use: 'qip-policy', state: 'active', key: key.publicKey }
  const store = {
    td,
    policy: () => stated,
    keysOf: () => [record],
    revocations: { isKeyRevoked: () => false },
  } as unknown as TrustStore
  return verifyPolicyHistory({ requester, store, name: 'shop' }, numbers)
}

test('holds as one chain from the signed state back, also where the key of an old rollout counts no more', async () => {
  const held = await history()
  assert.deepEqual(await verify(held), { rollouts: 3, versions: 2, unsigned: 1, fault: undefined })
  // Somebody publishes between the state and the list.
  const later = await verify({ ...held, numbers: [14, ...held.numbers] })
  assert.equal(later.fault, undefined)
})

test('names the rollout that was written over, left out or put before the first', async () => {
  const held = await history()
  const previous = sha256(held.documents.get('rollouts/11')?.payload ?? utf8(''))
  const forged = await rolloutOf(held.documents, { number: 12, version: 1, previous })
  const documents = new Map(held.documents).set('rollouts/12', forged)
  assert.match((await verify({ ...held, documents })).fault ?? '', /rollout 12 is not the one/)
  assert.match((await verify({ ...held, numbers: [13, 11] })).fault ?? '', /rollout 11 is not the one/)
  assert.match((await verify({ ...held, numbers: [12, 11] })).fault ?? '', /rollout 13 of the signed state/)
  assert.match((await verify({ ...held, numbers: [13, 12, 11, 10] })).fault ?? '', /rollout 10 is before/)
})

test('names the text that was exchanged', async () => {
  const held = await history()
  const documents = new Map(held.documents).set('versions/2', await textOf(2, 'another'))
  assert.match((await verify({ ...held, documents })).fault ?? '', /version 2 is not the one that rollout 12/)
})
