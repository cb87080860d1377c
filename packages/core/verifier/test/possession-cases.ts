import { base64url, parseBase64url, utf8 } from '@quantum-ip/base'
import {
  generateProofJwk,
  parseProofSigner,
  type ProofAlgorithm,
  proofAlgorithms,
  type ProofSigner,
} from '@quantum-ip/crypto'
import { proofTokenHash, signProofToken } from '@quantum-ip/token'

/** The keys of one run: the one that the token is bound to, and another of each algorithm. */
export interface PossessionKeys {
  readonly own: ProofSigner
  readonly others: Readonly<Record<ProofAlgorithm, ProofSigner>>
}

/** Draws keys; `own` is of `alg`. */
export function possessionKeys(alg: ProofAlgorithm): PossessionKeys {
  const drawn = proofAlgorithms.map((name) => [name, parseProofSigner(generateProofJwk(name))])
  return { own: parseProofSigner(generateProofJwk(alg)), others: Object.fromEntries(drawn) }
}

/** The thumbprint to bind a token to: `cnf.jkt`. */
export function boundTo({ key }: ProofSigner): { readonly jkt: Uint8Array } {
  return { jkt: parseBase64url(key.kid) }
}

/** What a case makes its fields from. */
export interface PossessionScene {
  readonly keys: PossessionKeys
  /** The token of the request, bound to `keys.own`. */
  readonly token: string
  readonly otherToken: string
  /** The URI that is asked. */
  readonly uri: string
  readonly nowS: number
}

/** A request with a token that is bound to a key, and what it brings as proof. */
export interface PossessionCase {
  readonly name: string
  readonly passes: boolean
  /** The values of its `Workload-Proof-Token` fields. */
  readonly proofs: (scene: PossessionScene) => Promise<readonly string[]>
  /** Whether the same request was sent before. */
  readonly again?: boolean
}

/** A proof that holds, with what a case changes about it. */
export function proofFor(
  { keys, token, uri, nowS }: PossessionScene,
  changes: {
    readonly signer?: ProofSigner
    readonly token?: string
    readonly uri?: string
    readonly nowS?: number
  } = {},
): Promise<string> {
  const nonce = crypto.getRandomValues(new Uint8Array(16))
  return signProofToken({ signer: keys.own, token, uri, nowS, nonce, ...changes })
}

type Members = Record<string, unknown>

/** A proof of members of one's own choice, with a signature that holds over them. */
export async function forgedProof(
  scene: PossessionScene,
  change: { readonly header?: Members; readonly payload?: Members },
  signer: ProofSigner = scene.keys.own,
): Promise<string> {
  const { key } = signer
  const header = { alg: key.alg, jwk: key.jwk, typ: 'wpt+jwt', ...change.header }
  const jti = base64url(crypto.getRandomValues(new Uint8Array(16)))
  const wth = base64url(proofTokenHash(scene.token))
  const payload = { aud: scene.uri, exp: scene.nowS + 30, iat: scene.nowS, jti, wth, ...change.payload }
  const signed = `${part(header)}.${part(payload)}`
  return `${signed}.${base64url(await signer.sign(utf8(signed)))}`
}

function part(members: Members): string {
  return base64url(utf8(JSON.stringify(members)))
}

function elsewhere(uri: string, change: (url: URL) => void): string {
  const url = new URL(uri)
  change(url)
  return url.href
}

/** One body of cases for each point that takes tokens which are bound to a key. Each case gets a token of its own. */
export const possessionCases: readonly PossessionCase[] = [
  { name: 'the right proof', passes: true, proofs: async (s) => [await proofFor(s)] },
  {
    name: 'a proof made from a URI with a query, which it does not bind',
    passes: true,
    proofs: async (s) => [await proofFor(s, { uri: `${s.uri}?other=1` })],
  },
  {
    name: 'a proof of a caller whose clock is 20 seconds ahead',
    passes: true,
    proofs: async (s) => [await proofFor(s, { nowS: s.nowS + 20 })],
  },
  { name: 'no proof', passes: false, proofs: async () => [] },
  { name: 'an empty proof', passes: false, proofs: async () => [''] },
  {
    name: 'two proofs that hold',
    passes: false,
    proofs: async (s) => [await proofFor(s), await proofFor(s)],
  },
  ...proofAlgorithms.map((alg): PossessionCase => ({
    name: `a proof by another key, of ${alg}`,
    passes: false,
    proofs: async (s) => [await proofFor(s, { signer: s.keys.others[alg] })],
  })),
  {
    name: 'a proof by another key in the name of the right one',
    passes: false,
    proofs: async (s) => {
      const { own, others } = s.keys
      const { alg, jwk } = own.key
      return [await forgedProof(s, { header: { alg, jwk } }, others[alg])]
    },
  },
  {
    name: 'a proof for another path',
    passes: false,
    proofs: async (s) => [await proofFor(s, { uri: elsewhere(s.uri, (url) => (url.pathname += 'x')) })],
  },
  {
    name: 'a proof for another host',
    passes: false,
    proofs: async (s) => [
      await proofFor(s, { uri: elsewhere(s.uri, (url) => (url.host = 'other.example')) }),
    ],
  },
  {
    name: 'a proof for another port',
    passes: false,
    proofs: async (s) => [await proofFor(s, { uri: elsewhere(s.uri, (url) => (url.port = '1')) })],
  },
  {
    name: 'a proof for the other scheme',
    passes: false,
    proofs: async (s) => [
      await proofFor(s, { uri: s.uri.replace(/^https?/, (was) => (was === 'http' ? 'https' : 'http')) }),
    ],
  },
  {
    name: 'a proof that is over',
    passes: false,
    proofs: async (s) => [await proofFor(s, { nowS: s.nowS - 70 })],
  },
  {
    name: 'a proof made for later',
    passes: false,
    proofs: async (s) => [await proofFor(s, { nowS: s.nowS + 70 })],
  },
  {
    name: 'a proof for an hour',
    passes: false,
    proofs: async (s) => [await forgedProof(s, { payload: { exp: s.nowS + 3_600 } })],
  },
  { name: 'a proof that was used', passes: false, again: true, proofs: async (s) => [await proofFor(s)] },
  {
    name: 'a proof for another token',
    passes: false,
    proofs: async (s) => [await proofFor(s, { token: s.otherToken })],
  },
  {
    name: 'a proof with its signature cut off',
    passes: false,
    proofs: async (s) => [(await proofFor(s)).replace(/[^.]*$/, '')],
  },
  {
    name: 'a proof with a bit of its signature changed',
    passes: false,
    proofs: async (s) => {
      const proof = await proofFor(s)
      const at = proof.lastIndexOf('.') + 9
      return [`${proof.slice(0, at)}${proof[at] === 'A' ? 'B' : 'A'}${proof.slice(at + 1)}`]
    },
  },
  {
    name: 'a proof that says it is not signed',
    passes: false,
    proofs: async (s) => [await forgedProof(s, { header: { alg: 'none' } })],
  },
  {
    name: 'a proof of another algorithm than its key',
    passes: false,
    proofs: async (s) => [
      await forgedProof(s, { header: { alg: s.keys.own.key.alg === 'ES256' ? 'Ed25519' : 'ES256' } }),
    ],
  },
  {
    name: 'a proof that is a token of another type',
    passes: false,
    proofs: async (s) => [await forgedProof(s, { header: { typ: 'JWT' } })],
  },
  {
    name: 'a proof with a critical extension',
    passes: false,
    proofs: async (s) => [await forgedProof(s, { header: { crit: ['b64'], b64: false } })],
  },
  {
    name: 'a proof without a nonce',
    passes: false,
    proofs: async (s) => [await forgedProof(s, { payload: { jti: undefined } })],
  },
  {
    name: 'a proof that binds a field which is not looked at',
    passes: false,
    proofs: async (s) => [await forgedProof(s, { payload: { oth: { 'x-other': 'AA' } } })],
  },
]
