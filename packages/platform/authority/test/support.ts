import assert from 'node:assert/strict'
import { cp, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { parseAdmissionRules } from '@quantum-ip/attestation'
import { hex, parseBase64url, utf8 } from '@quantum-ip/base'
import { formatSessionProof } from '@quantum-ip/client'
import { generateKemKey, kemJwk, openField } from '@quantum-ip/crypto'
import { evaluateSubtreeInclusion } from '@quantum-ip/log'
import { type MerkleToken, parseMerkleToken } from '@quantum-ip/token'
import { pinsOf, TrustStore } from '@quantum-ip/trust'
import type { Session } from '../src/admission/sessions.ts'
import type { IssuedTokens } from '../src/issuance/issuer.ts'
import { parseTokenOrder, type TokenOrder, type TokenOrderInput } from '../src/issuance/token-order.ts'
import { openStore, type Store } from '../src/store/open-store.ts'
import { Authority, type AuthorityOptions, type Publication, type StorePlaces } from '../src/index.ts'

export const td = 'spiffe://acme.example'
export const shop = `${td}/ns/prod/sa/shop`
export const checkout = `${td}/ns/prod/sa/checkout`

/** An order for another issuing key. */
export const issuing = { use: 'qip-token', askedBy: 'test' } as const

/** The places of a store below one folder. */
export function placesIn(folder: string): StorePlaces {
  return {
    folder: join(folder, 'data'),
    highWaterFolder: join(folder, 'high-water'),
    custodyFolder: join(folder, 'keys'),
  }
}

/** Where the databases of tests are, if not in the folders of their stores. */
export interface TestDatabases {
  /** The URL of the database that belongs to a folder; made where there is none. */
  url(folder: string): Promise<string>
  /** Makes the database of one folder a copy of that of another. */
  copy(from: string, to: string): Promise<void>
}

let databases: TestDatabases | undefined

/** From here on stores are opened in these databases. */
export function useDatabases(used: TestDatabases): void {
  databases = used
}

/** The places, with the database that belongs to them. */
export async function databaseOf(places: StorePlaces): Promise<StorePlaces> {
  if (databases === undefined) return places
  return { ...places, postgres: { url: await databases.url(places.folder), connectionsMax: 4 } }
}

/** Copies the data of a stopped authority: what a backup holds, or what is restored. */
export async function copyData(from: string, to: string): Promise<void> {
  await rm(to, { recursive: true, force: true })
  await cp(from, to, { recursive: true })
  await databases?.copy(from, to)
}

/** Opens the store of an authority alone. */
export async function openStoreIn(folder: string): Promise<Store> {
  return openStore(await databaseOf(placesIn(folder)), td)
}

/** Opens an authority with its store below `folder`. */
export async function openIn(folder: string, options: Partial<AuthorityOptions> = {}): Promise<Authority> {
  const places = await databaseOf(options.places ?? placesIn(folder))
  return Authority.open({ ...optionsFor(places), ...options, places })
}

/** What authorities of tests are opened with. */
export function optionsFor(places: StorePlaces): AuthorityOptions {
  return {
    trustDomain: td,
    places,
    rules: parseAdmissionRules([{ service: `${td}/ns/prod/sa/*`, builder: 'https://ci.acme.example/*' }]),
    builders: [],
    requireAttestation: [{ service: '**', demand: 'warn' }],
  }
}

/** An order as a request of a workload would make it. */
export function orderOf(input: Partial<TokenOrderInput> = {}, sid = checkout): TokenOrder {
  const session: Session = {
    id: 'test',
    sid,
    role: 'workload',
    builds: [],
    method: 'test',
    admittedMs: 0,
    expiresS: 0,
    key: new Uint8Array(32),
  }
  const rules = { td, ttlDefaultS: 300, oneTimeTtlDefaultS: 60, jwt: true }
  return parseTokenOrder({ audience: shop, ...input }, { session }, rules)
}

/** Issues tokens to a workload without a request. */
export function issue(
  authority: Authority,
  input: Partial<TokenOrderInput> = {},
  sid = checkout,
): Promise<IssuedTokens> {
  return authority.issuer.issue(orderOf(input, sid))
}

/** What a verifier follows. */
export interface Followed extends Pick<Authority, 'trustDomain' | 'root' | 'rootText'> {
  readonly publisher: Pick<Authority['publisher'], 'current' | 'bundleText' | 'subscribe'>
  readonly revocations: Pick<Authority['revocations'], 'list'>
}

/** A verifier that follows an authority, and remembers what it had to refuse. */
export class Follower {
  readonly trust: TrustStore
  readonly #now: () => number
  #applied: Promise<unknown> = Promise.resolve()

  private constructor(authority: Followed, now: () => number) {
    this.trust = new TrustStore({ td: authority.trustDomain, pins: pinsOf(authority.root) })
    this.#now = now
  }

  static async start(authority: Followed, now: () => number = Date.now): Promise<Follower> {
    const follower = new Follower(authority, now)
    await follower.trust.applyRoot({ envelope: authority.rootText, timeMs: now() })
    follower.follow(authority)
    return follower
  }

  /** Follows an authority from its current state on. */
  follow(authority: Followed): void {
    const { publisher } = authority
    this.#apply(authority, { ...publisher.current, bundle: publisher.bundleText })
    publisher.subscribe((publication) => this.#apply(authority, publication))
  }

  /** @throws what a publication was refused with */
  async settle(): Promise<void> {
    await this.#applied
  }

  /** Whether the head that a token is under is held. */
  holds(token: string): boolean {
    const parsed = parseMerkleToken(token)
    const { keyId, start, end } = parsed
    const origin = this.trust.keyFor(this.trust.td, keyId, 'qip-token')?.log ?? ''
    const held = this.trust.headFor(origin, keyId, { start, end })
    return held !== undefined && hex(held) === hex(headHash(parsed))
  }

  #apply(authority: Followed, { bundle, state }: Publication): void {
    this.#applied = this.#applied.then(async () => {
      const timeMs = this.#now()
      if (bundle !== undefined) await this.trust.applyBundle({ envelope: bundle, timeMs })
      await this.trust.applyState({ envelope: state, revocations: authority.revocations.list(), timeMs })
    })
    this.#applied.catch(() => undefined)
  }
}

function headHash({ index, start, end, leafHash, path }: MerkleToken): Uint8Array {
  return evaluateSubtreeInclusion({ index, start, end, leafHash, proof: path })
}

/** A session as a client holds it. */
export interface ClientSession {
  readonly id: string
  readonly key: Uint8Array
}

/** An answer of an authority over HTTP. */
export interface Answer {
  readonly status: number
  readonly text: string
  readonly body: Record<string, unknown>
}

/** Sends a request; in a session, where one is given. */
export async function post(
  url: string,
  target: string,
  sent: { readonly body: unknown; readonly session?: ClientSession; readonly bearer?: string },
): Promise<Answer> {
  const { body, session, bearer } = sent
  const headers: Record<string, string> = { 'content-type': 'application/json' }
  if (session !== undefined)
    headers['authorization'] = formatSessionProof(session, Date.now(), { method: 'POST', target })
  if (bearer !== undefined) headers['authorization'] = `Bearer ${bearer}`
  const response = await fetch(url + target, { method: 'POST', headers, body: JSON.stringify(body) })
  const text = await response.text()
  return { status: response.status, text, body: text === '' ? {} : (JSON.parse(text) as Answer['body']) }
}

/** Opens a session with a join token. */
export async function admit(url: string, token: string): Promise<ClientSession> {
  const key = generateKemKey('X-Wing')
  const evidence = { token }
  const sent = { body: { method: 'join-token', evidence, key: kemJwk(key.publicKey) } }
  const { status, text, body } = await post(url, '/v1/workloads', sent)
  assert.equal(status, 200, text)
  const id = body['session'] as string
  const sealed = parseBase64url(body['sealedKey'] as string)
  return { id, key: await openField({ key, sealed, aad: utf8(id) }) }
}
