import {
  type Clock,
  hex,
  parseTrustDomain,
  type Random,
  type ServiceId,
  systemRandom,
} from '@quantum-ip/base'
import { IssuedToken } from '@quantum-ip/client'
import { generatePrivateKey, type PrivateKey } from '@quantum-ip/crypto'
import { leafHash, signSubtree, type Subtree, subtreeVerifierKey } from '@quantum-ip/log'
import {
  encodeClaims,
  formatMerkleToken,
  formatStaple,
  nullEntry,
  parseMerkleToken,
  type StapledHead,
  tokenDigest,
  tokenLeafHash,
} from '@quantum-ip/token'
import type { RevocationKind, TrustStore } from '@quantum-ip/trust'
import {
  allocateReplayMemory,
  createVerifier,
  ReplayFilter,
  type Verifier,
  type VerifierOptions,
} from '@quantum-ip/verifier'
import { fixedClock, type FixedClock } from './fixed-clock.ts'
import { headersFor, type TestReason } from './headers-for.ts'
import { TestTree } from './lib/test-tree.ts'
import { TestTrust } from './lib/test-trust.ts'
import { claimsOf, type TestTokenOrder } from './token-claims.ts'

/** How {@link createTestAuthority} builds its trust domain. */
export interface TestAuthorityOptions<C extends Clock = FixedClock> {
  /** Ends in `.test` (RFC 6761, section 6.2), which no real trust domain does. Default `spiffe://example.test`. */
  readonly trustDomain?: string
  /** Default: a {@link fixedClock}. */
  readonly clock?: C
  /** Draws keys and nonces. Default: the system's. */
  readonly random?: Random
}

/**
 * A trust domain in memory for unit tests: root keys, bundle, signed states, a token log with real proofs, and tokens of any kind.
 *
 * Everything in it is real but its purpose: a verifier of {@link TestAuthority.verifier} comes to the verdicts that one in production
 * comes to. **Its keys live in this process and nobody guards them.** So its trust domain must end in `.test`, and it does not start
 * where `NODE_ENV` is `production`.
 *
 * @throws {TypeError} for a trust domain that does not end in `.test`, and in production.
 */
export async function createTestAuthority<C extends Clock = FixedClock>(
  options: TestAuthorityOptions<C> = {},
): Promise<TestAuthority<C>> {
  const { trustDomain = 'spiffe://example.test' } = options
  if (!parseTrustDomain(trustDomain).endsWith('.test')) {
    throw new TypeError(
      `the testkit is no trust root: the trust domain of a test authority ends in \`.test\`, not \`${trustDomain}\``,
    )
  }
  if (process.env['NODE_ENV'] === 'production') {
    throw new TypeError('the testkit is no trust root: it does not start where `NODE_ENV` is `production`')
  }
  const clock = (options.clock ?? fixedClock()) as C
  const authority = new TestAuthority(trustDomain, clock, options.random ?? systemRandom)
  await authority.publish()
  return authority
}

/** See {@link createTestAuthority}. */
export class TestAuthority<C extends Clock = FixedClock> {
  readonly trustDomain: string
  readonly clock: C
  readonly #random: Random
  readonly #tree = new TestTree()
  readonly #signer: PrivateKey
  readonly #trust: TestTrust
  readonly #names: { readonly origin: string; readonly issuer: string }
  #isOpen = false

  constructor(trustDomain: string, clock: C, random: Random) {
    this.trustDomain = trustDomain
    this.clock = clock
    this.#random = random
    this.#signer = generatePrivateKey('ML-DSA-44', random)
    const name = trustDomain.slice('spiffe://'.length)
    const [origin, issuer] = [`${name}/tokens/1`, `${name}/issuer/1`]
    this.#names = { origin, issuer }
    this.#tree.append(leafHash(nullEntry()))
    this.#trust = new TestTrust({
      td: trustDomain,
      clock,
      random,
      tokenKey: {
        use: 'qip-token',
        key: this.#signer.publicKey,
        state: 'active',
        name: issuer,
        log: origin,
      },
      logs: () => new Map([[origin, { size: this.#tree.size, hash: this.#tree.root() }]]),
    })
  }

  /** The signed trust state, for verifiers of one's own; it says when something was revoked, too. */
  get trust(): TrustStore {
    return this.#trust.store
  }

  /**
   * The ID of a service of this trust domain.
   *
   * @example
   * kit.service('shop') // => 'spiffe://example.test/shop'
   */
  service(path: string): ServiceId {
    return `${this.trustDomain}/${path}`
  }

  /** A token that holds: the value of `Quantum-IP`. */
  async token(order: TestTokenOrder = {}): Promise<string> {
    const { token } = await this.issue(order)
    return token
  }

  /** A token that holds, with its staple, as a pool of `@quantum-ip/client` hands it out. */
  async issue(order: TestTokenOrder = {}): Promise<IssuedToken> {
    return this.#issue(order, this.#nowS())
  }

  /** A token whose end is an hour ago: `token_expired`. */
  async expired(order: TestTokenOrder = {}): Promise<string> {
    const { token } = await this.#issue(order, this.#nowS() - (order.ttlS ?? 300) - 3_600)
    return token
  }

  /** A token that was issued ten minutes from now, as somebody with another clock gets one: `token_not_yet_valid`. */
  async notYetValid(order: TestTokenOrder = {}): Promise<string> {
    const { token } = await this.#issue(order, this.#nowS() + 600)
    return token
  }

  /**
   * The fields of a request that gets this verdict; the `order` says who calls whom. For a revocation it revokes, from then on.
   *
   * @example
   * await kit.headers('token_stripped', { audience: kit.service('shop') }) // => { tracestate: 'qip=…' }
   */
  headers(reason: TestReason = 'ok', order: TestTokenOrder = {}): Promise<Record<string, string>> {
    return headersFor(this, reason, order)
  }

  /** A token that names a real head of the log, and that the authority never issued: `signature_invalid`. */
  async forged(order: TestTokenOrder = {}): Promise<string> {
    const { token } = await this.#issue(order, this.#nowS(), 'forged')
    return token
  }

  /** A token that something on the way cut: `token_truncated`. */
  async truncated(order: TestTokenOrder = {}): Promise<string> {
    const token = await this.token(order)
    return token.slice(0, Math.floor(token.length / 2))
  }

  /** A token with a head that no state has listed yet, so that only its staple, if anything, helps: `head_unavailable`. */
  async unlisted(order: TestTokenOrder = {}): Promise<IssuedToken> {
    return this.#issue(order, this.#nowS(), 'unlisted')
  }

  /** A verifier that follows this authority, and remembers its one-time tokens by itself. */
  verifier(options: Partial<VerifierOptions> = {}): Verifier {
    const memory = allocateReplayMemory({ bytes: 1_048_576, startedMs: this.clock.now() })
    const replay = new ReplayFilter(memory, { floorSkewMs: 0 })
    return createVerifier({ trust: this.#trust.store, clock: this.clock, replay, ...options })
  }

  /**
   * Revokes a key (hex), an identity (service ID), a build (hex) or a token, and publishes the state that says so.
   *
   * @example
   * await kit.revoke('identity', kit.service('caller'))
   */
  async revoke(kind: RevocationKind, value: string): Promise<void> {
    this.#trust.revoke({ kind, value, reason: 'a test' })
    await this.publish()
  }

  /** Revokes one token, and publishes the state that says so. */
  async revokeToken(token: string): Promise<void> {
    await this.revoke('token', hex(tokenDigest(parseMerkleToken(token).claimsBytes)))
  }

  /** Signs a state of this moment. After the clock was moved by more than five minutes without it, trust is stale: `trust_stale`. */
  async publish(): Promise<void> {
    if (this.#isOpen) return this.#trust.publish()
    this.#isOpen = true
    await this.#trust.open()
  }

  #nowS(): number {
    return Math.floor(this.clock.now() / 1_000)
  }

  async #issue(order: TestTokenOrder, issuedS: number, how?: 'forged' | 'unlisted'): Promise<IssuedToken> {
    const place = { td: this.trustDomain, random: this.#random, issuedS }
    const claims = claimsOf(order, place)
    const claimsBytes = encodeClaims(claims)
    const index = this.#tree.append(tokenLeafHash({ exp: claims.exp, digest: tokenDigest(claimsBytes) }))
    const head = await this.#sign({ start: index, end: index + 1 })
    const { origin, start, end, hash } = head
    if (how !== 'unlisted') {
      this.#trust.list({ origin, start, end, hash, exp: claims.exp })
      await this.publish()
    }
    // Other claims under the same position and path: what whoever has a token of others can make of it.
    const shown = how === 'forged' ? encodeClaims(claimsOf(order, place)) : claimsBytes
    const path = this.#tree.proof(index, head)
    const { keyId } = subtreeVerifierKey(this.#names.issuer, this.#signer.publicKey)
    const text = formatMerkleToken({ claimsBytes: shown, keyId, index, start, end, path })
    return new IssuedToken(text, formatStaple([head]), claims.exp)
  }

  async #sign({ start, end }: Subtree): Promise<StapledHead> {
    const { origin, issuer: name } = this.#names
    const head = { origin, start, end, hash: this.#tree.hash({ start, end }) }
    return { ...head, sigs: [await signSubtree(head, { name, signer: this.#signer })] }
  }
}
