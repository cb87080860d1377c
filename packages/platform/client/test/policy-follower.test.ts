import assert from 'node:assert/strict'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, test } from 'node:test'
import { utf8 } from '@quantum-ip/base'
import { formatEnvelope, generatePrivateKey, sha256 } from '@quantum-ip/crypto'
import {
  type PolicyRollout,
  type PolicyText,
  type PolicyVersion,
  signPolicyRollout,
  signPolicyText,
  type TrustListener,
  type TrustStore,
} from '@quantum-ip/trust'
import { ClientError, openPolicyFollower, type PolicyFollower, type RolledOutPolicy } from '../src/index.ts'

// The trust store here is a stand-in that is told what it holds; what is signed and verified is real.

const td = 'spiffe://acme.example'
const key = generatePrivateKey('ML-DSA-44')
const stranger = generatePrivateKey('ML-DSA-44')

let folder = ''
let documents = new Map<string, string>()
let asked: string[] = []
let taken: RolledOutPolicy[] = []
let refusals: string[] = []
let stated: PolicyVersion | undefined
let listener: TrustListener = {}
let isAway = false
const opened: PolicyFollower[] = []

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'qip-policy-follower-'))
  documents = new Map()
  ;[asked, taken, refusals, stated, isAway] = [[], [], [], undefined, false]
})

afterEach(async () => {
  for (const each of opened.splice(0)) await each[Symbol.asyncDispose]()
  await rm(folder, { recursive: true })
})

const store = {
  td,
  policy: () => stated,
  keysOf: () => [{ use: 'qip-policy', state: 'active', key: key.publicKey }],
  revocations: { isKeyRevoked: () => false },
  subscribe: (told: TrustListener) => {
    listener = told
    return () => undefined
  },
} as unknown as TrustStore

async function open(take: (policy: RolledOutPolicy) => void = () => undefined): Promise<PolicyFollower> {
  const follower = await openPolicyFollower({
    session: {
      request({ target }) {
        asked.push(target)
        const text = documents.get(target)
        if (isAway || text === undefined) {
          const details = { operation: 'test', reason: 'away' }
          return Promise.reject(new ClientError('QIP_CLIENT_AUTHORITY_UNAVAILABLE', details))
        }
        return Promise.resolve({ status: 200, mediaType: '', body: utf8(text) } as never)
      },
    },
    store,
    names: ['shop'],
    file: join(folder, 'policies'),
    take(policy) {
      take(policy)
      taken.push(policy)
    },
    onRefused: ({ reason }) => refusals.push(reason),
  })
  opened.push(follower)
  return follower
}

interface Published {
  readonly number: number
  readonly version: number
  readonly name?: string
  readonly text?: string
  readonly signer?: typeof key
}

/** Lays the documents of a rollout out, as an authority would. */
async function publish({
  number,
  version,
  name = 'shop',
  text = `v${version}`,
  signer = key,
}: Published): Promise<void> {
  const policy: PolicyText = { td, name, version, timeMs: 1, author: 'a', comment: '', text }
  const versionEnvelope = await signPolicyText(policy, signer)
  const rollout: PolicyRollout = {
    td,
    policy: name,
    number,
    previous: undefined,
    timeMs: 1,
    action: 'publish',
    by: 'a',
    reason: '',
    active: { version, sha256: sha256(versionEnvelope.payload), mode: undefined, share: 0 },
    candidate: undefined,
  }
  const envelope = await signPolicyRollout(rollout, signer)
  documents.set(`/v1/policies/shop/versions/${version}`, formatEnvelope(versionEnvelope))
  documents.set(`/v1/policies/shop/rollouts/${number}`, formatEnvelope(envelope))
  stated = { version: number, sha256: sha256(envelope.payload) }
}

async function until(isSo: () => boolean): Promise<void> {
  for (let tries = 0; tries < 200 && !isSo(); tries++) await new Promise((resolve) => setTimeout(resolve, 10))
  assert.ok(isSo())
}

test('a policy that the state names is taken, and the next one when a state names it', async () => {
  await publish({ number: 5, version: 1 })
  const follower = await open()
  assert.deepEqual([follower.held.get('shop')?.active.text, taken.length], ['v1', 1])
  await publish({ number: 9, version: 2 })
  listener.onState?.(1, 1)
  await until(() => follower.held.get('shop')?.rollout.number === 9)
  assert.deepEqual(refusals, [])
})

const forgeries: readonly (readonly [what: string, forge: () => Promise<void>, reason: RegExp])[] = [
  [
    'another rollout than the one that the state names',
    async () => {
      await publish({ number: 5, version: 1 })
      const real = stated
      await publish({ number: 5, version: 2 })
      stated = real
    },
    /not the one that the trust state names/,
  ],
  ['what a stranger signed', () => publish({ number: 5, version: 1, signer: stranger }), /policy keys/],
  [
    'the rollout of another policy',
    () => publish({ number: 5, version: 1, name: 'other' }),
    /another policy/,
  ],
  [
    'another text of the version',
    async () => {
      await publish({ number: 6, version: 1, text: 'allow all' })
      const other = documents.get('/v1/policies/shop/versions/1') ?? ''
      await publish({ number: 5, version: 1 })
      documents.set('/v1/policies/shop/versions/1', other)
    },
    /not the one that its rollout names/,
  ],
]
for (const [what, forge, reason] of forgeries) {
  test(`refuses ${what}`, async () => {
    await forge()
    const follower = await open()
    assert.equal(follower.held.size, 0)
    assert.equal(taken.length, 0)
    assert.match(refusals.join(), reason)
  })
}

test('what cannot be put in force is refused once, the policy before stays, and the next rollout is tried', async () => {
  await publish({ number: 5, version: 1 })
  const follower = await open(({ active }) => {
    if (active.version === 2) throw new TypeError('does not compile')
  })
  await publish({ number: 6, version: 2 })
  listener.onState?.(1, 1)
  await until(() => follower.refused.get('shop')?.rollout === 6)
  assert.equal(follower.held.get('shop')?.active.version, 1)
  const { length } = asked
  listener.onState?.(2, 2)
  await new Promise((resolve) => setTimeout(resolve, 50))
  assert.equal(asked.length, length)
  await publish({ number: 7, version: 3 })
  listener.onState?.(3, 3)
  await until(() => follower.held.get('shop')?.active.version === 3)
  assert.equal(follower.refused.size, 0)
})

test('with the authority away the last good policy is there after a restart, and a changed file is none', async () => {
  await publish({ number: 5, version: 1 })
  await (await open())[Symbol.asyncDispose]()
  isAway = true
  const kept = await open()
  assert.equal(kept.held.get('shop')?.active.version, 1)
  await publish({ number: 4, version: 9, signer: stranger })
  const forged = {
    rollout: documents.get('/v1/policies/shop/rollouts/4'),
    active: documents.get('/v1/policies/shop/versions/9'),
  }
  const file = join(folder, 'policies')
  assert.match(await readFile(file, 'utf8'), /quantum-ip-policies\/1/)
  await writeFile(file, JSON.stringify({ format: 'quantum-ip-policies/1', policies: { shop: forged } }))
  stated = undefined
  assert.equal((await open()).held.size, 0)
  await writeFile(file, 'damaged')
  assert.equal((await open()).held.size, 0)
})
