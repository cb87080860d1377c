import { Buffer } from 'node:buffer'
import {
  type Envelope,
  generatePrivateKey,
  noteKeyId,
  noteKeyTypes,
  type PrivateKey,
  sha256,
} from '@quantum-ip/crypto'
import { seededRandom } from '@quantum-ip/testing'
import type { Bundle } from '../src/bundle.ts'
import { chainHead, headChainStart, type HeadRecord } from '../src/head-record.ts'
import type { KeyState, SigningKeyRecord, SigningUse } from '../src/key-record.ts'
import { buildBundle, signBundle } from '../src/bundle.ts'
import { chainRevocation, revocationChainStart, type RevocationRecord } from '../src/revocation-record.ts'
import { pinsOf, type RootDocument, signRootDocument } from '../src/root-document.ts'
import { type LogHead, signState, type State } from '../src/state.ts'
import { TrustStore, type TrustStoreOptions } from '../src/trust-store.ts'

export const td = 'spiffe://acme.example'
export const nowS = 1_800_000_000
export const nowMs = nowS * 1_000
export const tokenLog = 'acme.example/tokens/1'
export const attestationLog = 'acme.example/attestations/1'
export const builderId = 'https://ci.acme.example/release'

export const key = {
  root1: generatePrivateKey('ML-DSA-87', seededRandom('root 1')),
  root2: generatePrivateKey('ML-DSA-87', seededRandom('root 2')),
  root3: generatePrivateKey('ML-DSA-87', seededRandom('root 3')),
  bundle1: generatePrivateKey('ML-DSA-65', seededRandom('bundle 1')),
  bundle2: generatePrivateKey('ML-DSA-65', seededRandom('bundle 2')),
  feed: generatePrivateKey('ML-DSA-44', seededRandom('feed')),
  feed2: generatePrivateKey('ML-DSA-44', seededRandom('feed 2')),
  token: generatePrivateKey('ML-DSA-44', seededRandom('token')),
  token2: generatePrivateKey('ML-DSA-44', seededRandom('token 2')),
  tokenClassic: generatePrivateKey('Ed25519', seededRandom('token')),
  jwt: generatePrivateKey('ML-DSA-44', seededRandom('jwt')),
  log: generatePrivateKey('ML-DSA-44', seededRandom('log')),
  build: generatePrivateKey('ML-DSA-65', seededRandom('build')),
  buildClassic: generatePrivateKey('Ed25519', seededRandom('build')),
}

export function hash(text: string): Uint8Array {
  return sha256(Buffer.from(text))
}

export function record(
  use: SigningUse,
  privateKey: PrivateKey,
  members: { state?: KeyState; name?: string; log?: string; set?: string } = {},
): SigningKeyRecord {
  const { state = 'active', name, log, set } = members
  const { publicKey } = privateKey
  const isNote = use === 'qip-token' || use === 'qip-log'
  const companion = use === 'qip-token' ? noteKeyTypes.subtreeEd25519 : noteKeyTypes.ed25519
  const type = publicKey.alg === 'Ed25519' ? companion : noteKeyTypes.mlDsa44
  return {
    use,
    key: publicKey,
    state,
    ...(name !== undefined && { name }),
    ...(log !== undefined && { log }),
    ...(set !== undefined && { set }),
    ...(isNote && { keyId: noteKeyId({ name: name ?? '', type, bytes: publicKey.bytes }) }),
  }
}

export const records = {
  feed: record('qip-feed', key.feed),
  token: record('qip-token', key.token, { name: 'acme.example/issuer/1', log: tokenLog }),
  tokenClassic: record('qip-token', key.tokenClassic, { name: 'acme.example/issuer/1', log: tokenLog }),
  token2: record('qip-token', key.token2, { name: 'acme.example/issuer/2', log: 'acme.example/tokens/2' }),
  jwt: record('qip-jwt', key.jwt, { state: 'published' }),
  log: record('qip-log', key.log, { name: attestationLog, log: attestationLog }),
  build: record('qip-build', key.build, { name: builderId }),
  buildClassic: record('qip-build', key.buildClassic, { name: builderId }),
}

export function rootDocument(change: Partial<RootDocument> = {}): RootDocument {
  return {
    td,
    sequence: 1,
    expires: nowS + 86_400 * 365,
    roots: [key.root1.publicKey, key.root2.publicKey],
    threshold: 2,
    bundleKeys: [key.bundle1.publicKey],
    bundleThreshold: 1,
    ...change,
  }
}

export function bundle(change: Partial<Bundle> = {}): Bundle {
  return {
    td,
    sequence: 1,
    refreshHintS: 60,
    keys: Object.values(records),
    rootSequence: 1,
    issued: nowS - 60,
    expires: nowS + 86_400,
    ...change,
  }
}

/** A state that rests on `bundle()` unless told otherwise. */
export function state(change: Partial<State> = {}): State {
  const heads = change.heads ?? []
  return {
    td,
    seq: 1,
    timeMs: nowMs,
    bundle: { sequence: 1, sha256: sha256(buildBundle(bundle())) },
    epoch: 0,
    revocations: revocationChainStart,
    policies: new Map(),
    logs: logs({ [tokenLog]: 4_096 }),
    heads,
    headChain: heads.reduce(chainHead, headChainStart),
    ...change,
  }
}

export function logs(sizes: Record<string, number>): Map<string, LogHead> {
  return new Map(
    Object.entries(sizes).map(([origin, size]) => [origin, { size, hash: hash(`${origin} ${size}`) }]),
  )
}

export function head(start: number, end: number, change: Partial<HeadRecord> = {}): HeadRecord {
  const origin = change.origin ?? tokenLog
  return { origin, start, end, hash: hash(`${origin} ${start} ${end}`), exp: nowS + 300, ...change }
}

export function revocation(change: Partial<RevocationRecord> = {}): RevocationRecord {
  return {
    epoch: 1,
    time: nowS,
    kind: 'identity',
    value: 'spiffe://acme.example/ns/prod/sa/shop',
    reason: 'stolen laptop',
    ...change,
  }
}

/** The members of a state that confirm these records. */
export function confirmed(list: readonly RevocationRecord[]): Pick<State, 'epoch' | 'revocations'> {
  return { epoch: list.length, revocations: list.reduce(chainRevocation, revocationChainStart) }
}

export const signed = {
  root: (change: Partial<RootDocument> = {}, signers = [key.root1, key.root2]): Promise<Envelope> =>
    signRootDocument(rootDocument(change), signers),
  bundle: (change: Partial<Bundle> = {}, signers = [key.bundle1]): Promise<Envelope> =>
    signBundle(bundle(change), signers),
  state: (change: Partial<State> = {}, signer = key.feed): Promise<Envelope> =>
    signState(state(change), signer),
}

/** A store with root document and bundle. */
export async function openStore(options: Partial<TrustStoreOptions> = {}): Promise<TrustStore> {
  const store = new TrustStore({ td, pins: pinsOf(rootDocument()), ...options })
  await store.applyRoot({ envelope: await signed.root(), timeMs: nowMs })
  await store.applyBundle({ envelope: await signed.bundle(), timeMs: nowMs })
  return store
}
