import { base64url, utf8 } from '@quantum-ip/base'
import { generatePrivateKey } from '@quantum-ip/crypto'
import { jwtPayload, signJwtToken } from '@quantum-ip/token'
import { exportJWK, generateKeyPair, SignJWT } from 'jose'
import { type TestClaims, type TestDomain, createTestDomain } from './domain.ts'

/** A real token of one form, as long as it is in practice. */
export interface FormedToken {
  readonly name: string
  /** Whether tokens of this form must pass everywhere. */
  readonly compact: boolean
  readonly text: string
}

/** A build, how it was established, and its attestation. */
const usual: TestClaims = { bld: new Uint8Array(32).fill(7), bev: 2, att: [1, 12_345] }

const chain = Array.from({ length: 8 }, (_, at) => ({
  sid: `spiffe://acme.example/ns/prod/sa/agent-number-${at}-of-the-chain`,
  attLog: 1,
  attIndex: 12_345 + at,
  log: 1,
  index: 1_000_000 + at,
}))

/** A token of every form there is, and a JWT as most use them. All but the signatures is the same in each run. */
export async function tokenForms(): Promise<readonly FormedToken[]> {
  const domain = await createTestDomain()
  const hybrid = await createTestDomain({ hybrid: true })
  return [
    { name: 'compact', compact: true, text: await batched(domain, usual) },
    { name: 'compact, one-time', compact: true, text: await batched(domain, { ...usual, use: 1 }) },
    { name: 'compact, eight hops', compact: true, text: await batched(domain, { ...usual, chn: chain }) },
    { name: 'JWT ES256', compact: false, text: await es256(domain) },
    { name: 'JWT ML-DSA-44', compact: false, text: await jwt(domain, 'ML-DSA-44') },
    { name: 'standalone', compact: false, text: await batched(domain, usual, 'standalone') },
    { name: 'standalone, hybrid', compact: false, text: await batched(hybrid, usual, 'standalone') },
    { name: 'JWT ML-DSA-65', compact: false, text: await jwt(domain, 'ML-DSA-65') },
    { name: 'JWT ML-DSA-87', compact: false, text: await jwt(domain, 'ML-DSA-87') },
    {
      name: 'JWT ML-DSA-87, eight hops',
      compact: false,
      text: await jwt(domain, 'ML-DSA-87', { chn: chain }),
    },
    { name: 'JWT SLH-DSA-SHA2-128s', compact: false, text: await slhDsa(domain) },
  ]
}

/** One out of a whole batch: the longest proofs there are. */
async function batched(
  domain: TestDomain,
  claims: TestClaims,
  form: 'compact' | 'standalone' = 'compact',
): Promise<string> {
  const tokens = await domain.issue(
    Array.from({ length: 1_024 }, () => claims),
    { form },
  )
  return tokens[517]?.text ?? ''
}

function payloadOf(domain: TestDomain, claims: TestClaims = {}): Uint8Array {
  return jwtPayload({ claims: domain.claims({ ...usual, ...claims }), log: 1, index: 1_000_000 })
}

function jwt(
  domain: TestDomain,
  alg: 'ML-DSA-44' | 'ML-DSA-65' | 'ML-DSA-87',
  claims: TestClaims = {},
): Promise<string> {
  return signJwtToken(payloadOf(domain, claims), generatePrivateKey(alg))
}

// Longer than any field that we would send: `signJwtToken` refuses it, so that it is put together here.
async function slhDsa(domain: TestDomain): Promise<string> {
  const signer = generatePrivateKey('SLH-DSA-SHA2-128s')
  const { alg, kid } = signer.publicKey
  const header = base64url(utf8(JSON.stringify({ alg, kid, typ: 'qip+jwt' })))
  const signed = `${header}.${base64url(payloadOf(domain))}`
  return `${signed}.${base64url(await signer.sign(utf8(signed)))}`
}

// For comparison: what most send today, with the same claims.
async function es256(domain: TestDomain): Promise<string> {
  const { privateKey } = await generateKeyPair('ES256', { extractable: true })
  const claims = JSON.parse(Buffer.from(payloadOf(domain)).toString()) as Record<string, unknown>
  const { kid = 'k'.repeat(43) } = await exportJWK(privateKey)
  return new SignJWT(claims).setProtectedHeader({ alg: 'ES256', kid, typ: 'qip+jwt' }).sign(privateKey)
}
