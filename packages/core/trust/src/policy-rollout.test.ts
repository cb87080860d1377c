import assert from 'node:assert/strict'
import { test } from 'node:test'
import { generatePrivateKey, sha256 } from '@quantum-ip/crypto'
import { utf8 } from '@quantum-ip/base'
import {
  buildPolicyRollout,
  buildPolicyText,
  parsePolicyRollout,
  parsePolicyText,
  type PolicyRollout,
  type PolicyText,
  signPolicyRollout,
  signPolicyText,
  verifyPolicyRollout,
  verifyPolicyText,
} from './index.ts'

const td = 'spiffe://acme.example'
const hash = sha256(utf8('x'))
const rollout: PolicyRollout = {
  td,
  policy: 'shop',
  number: 7,
  previous: hash,
  timeMs: 1_800_000_000_000,
  action: 'promote',
  by: 'alice',
  reason: 'step 2',
  active: { version: 3, sha256: hash, mode: 'canary', share: 500 },
  candidate: { version: 4, sha256: hash, share: 0 },
}
const version: PolicyText = {
  td,
  name: 'shop',
  version: 3,
  timeMs: 1_800_000_000_000,
  author: 'alice',
  comment: '',
  text: 'a: "1"\n# a comment, and é\n',
}

test('rollouts and versions are read as they were built', () => {
  const first = { ...rollout, previous: undefined, candidate: undefined, reason: '' }
  const plain = { ...first, active: { ...rollout.active, mode: undefined, share: 0 } }
  for (const each of [rollout, first, plain])
    assert.deepEqual(parsePolicyRollout(buildPolicyRollout(each)), each)
  for (const each of [version, { ...version, comment: 'why' }])
    assert.deepEqual(parsePolicyText(buildPolicyText(each)), each)
})

const malformed: readonly (readonly [what: string, change: Readonly<Record<string, unknown>>])[] = [
  ['a number of 0', { number: 0 }],
  ['a mode that is not known', { active: { ...json(rollout.active), mode: 'lenient' } }],
  ['a canary without a share', { active: { ...json(rollout.active), share: undefined } }],
  ['a candidate for more than all', { candidate: { ...json(rollout.active), share: 10_001 } }],
  ['no version in force', { active: undefined }],
  ['a hash that is none', { previous: 'x' }],
]
for (const [what, change] of malformed) {
  test(`refuses a rollout with ${what}`, () => {
    const whole = JSON.parse(Buffer.from(buildPolicyRollout(rollout)).toString()) as object
    const payload = utf8(JSON.stringify({ ...whole, ...change }))
    assert.throws(() => parsePolicyRollout(payload), { code: 'QIP_TRUST_DOCUMENT_MALFORMED' })
  })
}

function json({ version: number, mode, share }: PolicyRollout['active']): object {
  return { version: number, sha256: Buffer.from(hash).toString('base64url'), mode, share }
}

test('a critical member that is not known refuses the whole document', () => {
  const whole = JSON.parse(Buffer.from(buildPolicyRollout(rollout)).toString()) as object
  const payload = utf8(JSON.stringify({ ...whole, crit: ['until'], until: 1 }))
  assert.throws(() => parsePolicyRollout(payload), { code: 'QIP_TRUST_CRITICAL_UNKNOWN' })
})

test('a rollout counts by a key that may sign policies, for its trust domain, and never as a version', async () => {
  const [signer, stranger] = [generatePrivateKey('ML-DSA-44'), generatePrivateKey('ML-DSA-44')]
  const envelope = await signPolicyRollout(rollout, signer)
  const keys = [signer.publicKey]
  assert.deepEqual((await verifyPolicyRollout({ envelope, td, keys })).document, rollout)
  const refusals = [
    [{ envelope, td, keys: [stranger.publicKey] }, 'QIP_TRUST_SIGNATURES_INSUFFICIENT'],
    [{ envelope, td, keys: [] }, 'QIP_TRUST_SIGNATURES_INSUFFICIENT'],
    [{ envelope, td: 'spiffe://other.example', keys }, 'QIP_TRUST_DOMAIN_MISMATCH'],
    [{ envelope: await signPolicyText(version, signer), td, keys }, 'QIP_TRUST_DOCUMENT_MALFORMED'],
  ] as const
  for (const [input, code] of refusals) await assert.rejects(verifyPolicyRollout(input), { code })
  await assert.rejects(verifyPolicyText({ envelope, td, keys }), { code: 'QIP_TRUST_DOCUMENT_MALFORMED' })
})
