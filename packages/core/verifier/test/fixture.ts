import { limits } from '@quantum-ip/base'
import type { Signer } from '@quantum-ip/crypto'
import { coverBatch, leafHash, signSubtree, type Subtree, subtreeVerifierKey } from '@quantum-ip/log'
import type { SimulatedClock } from '@quantum-ip/testing'
import {
  type Claims,
  encodeClaims,
  formatMerkleToken,
  formatStaple,
  jwtPayload,
  type KeySig,
  nullEntry,
  signJwtToken,
  type StapledHead,
  tokenDigest,
  tokenLeafHash,
} from '@quantum-ip/token'
import type { KeyState } from '@quantum-ip/trust'
import {
  allocateReplayMemory,
  createVerifier,
  ReplayFilter,
  type ReplayFilterOptions,
  type Verifier,
  type VerifierOptions,
  type VerifyInput,
} from '../src/index.ts'
import { FixtureTree } from './fixture-log.ts'
import { FixtureRegistry } from './fixture-registry.ts'
import { FixtureTrust } from './fixture-trust.ts'

/** How {@link createTestDomain} builds its trust domain. */
export interface TestDomainOptions {
  /** Default `spiffe://acme.example`. */
  readonly td?: string
  /** Draws all keys and nonces. Default `domain`. */
  readonly seed?: string
  /** Token logs also need an Ed25519 cosigner. Default false. */
  readonly hybrid?: boolean
  /** Default: a clock that stands still until it is moved. */
  readonly clock?: SimulatedClock
}

/** Claims of a test token: what is absent gets a value that makes the token good. */
export type TestClaims = { readonly [Member in keyof Claims]?: Claims[Member] | undefined }

/** How {@link TestDomain.issue} signs a batch. */
export interface IssueOptions {
  /** Default `compact`. */
  readonly form?: 'compact' | 'standalone'
  /** Whether a signed state lists the heads before this returns. Default true. */
  readonly publish?: boolean
}

/** A token as the authority hands it out, with all that tests like to bend. */
export interface TestToken {
  readonly text: string
  /** Value of a `Quantum-IP-Head` field for it. */
  readonly staple: string
  readonly claims: Claims
  readonly claimsBytes: Uint8Array
  readonly digest: Uint8Array
  readonly log: string
  readonly keyId: number
  readonly index: number
  readonly start: number
  readonly end: number
  /** Leaf's sibling first. */
  readonly path: readonly Uint8Array[]
  readonly head: StapledHead
}

/** A token log with everyone who signs its heads. */
export interface TestTokenLog {
  readonly origin: string
  readonly name: string
  readonly signers: readonly Signer[]
  readonly keyId: number
  readonly tree: FixtureTree
}

/**
 * A complete little trust domain in memory: root keys, root document, bundle, feed, signed states, a token log, an
 * attestation log, and a store that follows them. All real: real keys, real signatures, real proofs.
 *
 * ```ts
 * const domain = await createTestDomain()
 * const token = await domain.issueOne({ aud: [domain.shop] })
 * const verdict = await domain.verifier().verify(domain.input(token.text))
 * ```
 */
export async function createTestDomain(options: TestDomainOptions = {}): Promise<TestDomain> {
  const domain = new TestDomain(options)
  await domain.open()
  return domain
}

/** See {@link createTestDomain}. */
export class TestDomain extends FixtureTrust {
  readonly registry: FixtureRegistry
  readonly tokenLogs: TestTokenLog[] = []
  readonly #isHybrid: boolean

  constructor(options: TestDomainOptions = {}) {
    super(options)
    this.#isHybrid = options.hybrid ?? false
    this.addKey('jwt', 'qip-jwt', 'ML-DSA-44')
    this.registry = new FixtureRegistry(this)
    this.openLog()
  }

  /** A service that calls. */
  get web(): string {
    return `${this.td}/ns/prod/sa/web`
  }

  /** A service that is called. */
  get shop(): string {
    return `${this.td}/ns/prod/sa/shop`
  }

  /** The current token log. */
  get log(): TestTokenLog {
    return this.tokenLogs.at(-1) as TestTokenLog
  }

  protected override logs() {
    return [...this.tokenLogs, this.registry]
  }

  /** Opens the next token log with keys of its own; tokens are issued into it from now on. Publish the bundle afterwards. */
  openLog(state: KeyState = 'active'): TestTokenLog {
    const n = this.tokenLogs.length + 1
    const origin = `${this.name}/tokens/${n}`
    const name = `${this.name}/issuer/${n}`
    const { signer } = this.addKey(`issuer/${n}`, 'qip-token', 'ML-DSA-44', { name, log: origin, state })
    const signers: Signer[] = [signer]
    if (this.#isHybrid) {
      signers.push(this.addKey(`cosigner/${n}`, 'qip-token', 'Ed25519', { name, log: origin, state }).signer)
    }
    const { keyId } = subtreeVerifierKey(name, signer.publicKey)
    const log = { origin, name, signers, keyId, tree: new FixtureTree() }
    log.tree.append(leafHash(nullEntry()))
    this.tokenLogs.push(log)
    return log
  }

  /** Rotates the issuing key: the next log opens, and the key before retires. */
  async rotate(): Promise<TestTokenLog> {
    const before = `issuer/${this.tokenLogs.length}`
    const log = this.openLog()
    await this.setKeyState(before, 'retiring')
    return log
  }

  /** Issues a batch: entries into the token log, covering subtrees signed, and by default listed in a state. */
  async issue(batch: readonly TestClaims[], options: IssueOptions = {}): Promise<TestToken[]> {
    const { log } = this
    const first = log.tree.size
    const parts = batch.map((partial) => {
      const claims = this.claims(partial)
      const claimsBytes = encodeClaims(claims)
      const digest = tokenDigest(claimsBytes)
      const index = log.tree.append(tokenLeafHash({ exp: claims.exp, digest }))
      return { claims, claimsBytes, digest, index }
    })
    const exp = Math.max(...parts.map(({ claims }) => claims.exp))
    const heads: StapledHead[] = []
    for (const subtree of coverBatch(first, log.tree.size, limits.batchTokensMax)) {
      const head = await this.signHead(subtree)
      heads.push(head)
      this.unlisted.push({ ...head, exp })
    }
    const tokens: TestToken[] = []
    for (const { claims, claimsBytes, digest, index } of parts) {
      const head = heads.find(({ start, end }) => index >= start && index < end) as StapledHead
      const { start, end, sigs } = head
      const path = log.tree.proof(index, head)
      const token = { claimsBytes, keyId: log.keyId, index, start, end, path }
      const text = formatMerkleToken(options.form === 'standalone' ? { ...token, sigs } : token)
      tokens.push({ ...token, text, staple: formatStaple([head]), claims, digest, log: log.origin, head })
    }
    if (options.publish !== false) await this.publish()
    return tokens
  }

  /** One token. */
  async issueOne(claims: TestClaims = {}, options: IssueOptions = {}): Promise<TestToken> {
    const [token] = await this.issue([claims], options)
    return token as TestToken
  }

  /** A token in the JWT form, logged like any other. */
  async issueJwt(claims: TestClaims = {}): Promise<string> {
    const { tree } = this.log
    const whole = this.claims(claims)
    const payload = jwtPayload({ claims: whole, log: this.tokenLogs.length, index: tree.size })
    tree.append(tokenLeafHash({ form: 'jwt', exp: whole.exp, digest: tokenDigest(payload) }))
    return signJwtToken(payload, this.key('jwt').signer)
  }

  /** A head of the current log, signed by everyone who must sign it; of another hash, if one is given. */
  async signHead(subtree: Subtree, hash = this.log.tree.hash(subtree)): Promise<StapledHead> {
    const { origin, name, signers } = this.log
    const { start, end } = subtree
    const head = { origin, start, end, hash }
    const sigs: KeySig[] = await Promise.all(signers.map((signer) => signSubtree(head, { name, signer })))
    return { ...head, sigs: sigs.toSorted((a, b) => a.keyId - b.keyId) }
  }

  /** Good claims, but for those given. A member that is `undefined` is left out. */
  claims(claims: TestClaims = {}): Claims {
    const iat = claims.iat ?? this.nowS()
    const exp = iat + (claims.use === 1 ? 60 : 300)
    const whole = { sub: this.web, aud: [this.shop], exp, iat, jti: this.random.bytes(16), ...claims }
    return Object.fromEntries(
      Object.entries(whole).filter(([, value]) => value !== undefined),
    ) as unknown as Claims
  }

  /** A request to {@link shop} with this token. */
  input(token: string | undefined, changes: Partial<VerifyInput> = {}): VerifyInput {
    return { token, tokenCount: token === undefined ? 0 : 1, audience: this.shop, ...changes }
  }

  /** A replay filter that begins now; it is ready from the next state on, and that may be the one held. */
  replay(options: ReplayFilterOptions & { bytes?: number } = {}): ReplayFilter {
    const memory = allocateReplayMemory({ bytes: options.bytes ?? 1_048_576, startedMs: this.clock.now() })
    return new ReplayFilter(memory, { floorSkewMs: 0, ...options })
  }

  /** A verifier that follows this domain. */
  verifier(options: Partial<VerifierOptions> = {}): Verifier {
    return createVerifier({ trust: this.store, clock: this.clock, replay: this.replay(), ...options })
  }

  /** A head as the authority would answer: by tuple, signed; `undefined` for one that it never signed. */
  async headAnswer(tuple: Subtree & { readonly origin: string }): Promise<string | undefined> {
    const isAsked = ({ origin, start, end }: Subtree & { readonly origin: string }) =>
      origin === tuple.origin && start === tuple.start && end === tuple.end
    const known = [...this.heads, ...this.unlisted].find(isAsked)
    return known && formatStaple([await this.signHead(known, known.hash)])
  }
}
