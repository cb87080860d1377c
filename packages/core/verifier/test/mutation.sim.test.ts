import assert from 'node:assert/strict'
import { before, test } from 'node:test'
import { type Seeded, seeded } from '@quantum-ip/testing'
import { formatReferenceToken } from '@quantum-ip/token'
import { type HeadTuple, reasons, type Verdict, type Verifier } from '../src/index.ts'
import { createTestDomain, type TestDomain, type TestToken } from './fixture.ts'

const seed = 'mutation'
const rounds = 6_000

let domain: TestDomain
let verifier: Verifier
let tokens: TestToken[]
let jwt: string

before(async () => {
  domain = await createTestDomain()
  const bld = domain.random.bytes(32)
  const reference = formatReferenceToken({ keyId: domain.log.keyId, handle: bld.subarray(16) })
  const source = {
    resolveReference: async (text: string) => (text === reference ? tokens[0]?.text : undefined),
  }
  const fetchHead = async (tuple: HeadTuple) => domain.headAnswer(tuple)
  verifier = domain.verifier({ references: { source }, heads: { source: { fetchHead } } })
  const chn = [{ sid: domain.web, attLog: 1, attIndex: 3, log: 1, index: 5 }]
  tokens = [
    ...(await domain.issue([
      {},
      { bld, bev: 1, att: [1, 7] },
      { chn },
      { use: 1 },
      { cnf: { jkt: bld } },
      {},
    ])),
    ...(await domain.issue([{}, {}, {}], { form: 'standalone' })),
  ]
  jwt = await domain.issueJwt()
})

const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'.split('')

/** One small change to a text, of the kinds that networks and attackers make. */
function mutate(text: string, random: Seeded): string {
  const at = random.integer(0, text.length - 1)
  switch (random.integer(0, 7)) {
    case 0:
      return text.slice(0, at) + random.pick(alphabet) + text.slice(at + 1)
    case 1:
      return text.slice(0, at) + text.slice(at + random.integer(1, 4))
    case 2:
      return (
        text.slice(0, at) + random.pick([...alphabet, '=', ' ', '.', '\u00ff', '\u0000']) + text.slice(at)
      )
    case 3:
      return text.slice(0, at)
    case 4:
      return text + random.pick(['A', '=', '.', text])
    case 5:
      return bytewise(text, random)
    case 6:
      return text.slice(0, at) + random.pick(tokens).text.slice(at)
    default:
      return text.slice(0, at) + text.slice(at, at + 8).toUpperCase() + text.slice(at + 8)
  }
}

// Changes a byte of the decoded token and encodes it again: canonical, so that the change gets further.
function bytewise(text: string, random: Seeded): string {
  const dot = text.indexOf('.')
  const bytes = Buffer.from(text.slice(dot + 1), 'base64url')
  if (bytes.length === 0) return text
  const at = random.integer(0, bytes.length - 1)
  bytes[at] = random.chance(0.5) ? (bytes[at] ?? 0) ^ (1 << random.integer(0, 7)) : random.integer(0, 255)
  return `${text.slice(0, dot)}.${bytes.toString('base64url')}`
}

function equal(digest: Uint8Array, { token }: Verdict): boolean {
  return token !== undefined && Buffer.compare(digest, token.digest) === 0
}

async function judge(text: string, staple: string | undefined): Promise<Verdict> {
  const changes = { acceptStandalone: true, acceptJwt: true, acceptReference: true, staple }
  return verifier.verify(domain.input(text, changes))
}

test('verifies no token that was changed', async () => {
  const random = seeded(seed)
  const originals = new Set([...tokens.map(({ text }) => text), jwt])
  const seen = new Map<string, number>()
  for (let round = 0; round < rounds; round++) {
    const base = random.chance(0.05) ? jwt : random.pick(tokens).text
    const text = random.chance(0.3) ? mutate(mutate(base, random), random) : mutate(base, random)
    if (originals.has(text)) continue
    const { staple } = random.pick(tokens)
    const verdict = await judge(text, random.chance(0.2) ? mutate(staple, random) : undefined)
    assert.ok(reasons.includes(verdict.reason))
    // The signatures in a standalone token are not looked at where its head is held: what remains is the token.
    const isSame = verdict.form === 'standalone' && tokens.some(({ digest }) => equal(digest, verdict))
    assert.ok(isSame || !verdict.authenticated, `seed ${seed}, round ${round}: ${verdict.reason}`)
    assert.ok(isSame || verdict.status !== 'verified', `seed ${seed}, round ${round}: ${verdict.reason}`)
    seen.set(verdict.reason, (seen.get(verdict.reason) ?? 0) + 1)
  }
  // The changes get past the parser often enough to mean something.
  for (const reason of ['token_malformed', 'token_truncated', 'signature_invalid', 'key_unknown']) {
    assert.ok((seen.get(reason) ?? 0) > 10, `${reason}: ${seen.get(reason)}`)
  }
})

test('still verifies the tokens that were not', async () => {
  for (const { text, claims } of tokens) {
    const { reason } = await judge(text, undefined)
    const expected = claims.cnf ? 'binding_mismatch' : claims.att || claims.chn ? 'ok_shallow' : 'ok'
    assert.equal(reason, expected)
  }
  assert.equal((await judge(jwt, undefined)).reason, 'ok')
})
