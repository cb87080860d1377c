import { limits } from '@quantum-ip/base'
import type { TrustView } from '@quantum-ip/trust'
import type { DeepMode, DeepOutcome } from '../deep-mode.ts'
import { silentObserver, type VerifierObserver } from '../observer.ts'
import type { ReplayOutcome } from '../replay-guard.ts'
import type { Reason, Verdict } from '../verdict.ts'
import type { Verifier, VerifierStats } from '../verifier.ts'
import type { VerifierOptions } from '../verifier-options.ts'
import type { VerifyInput } from '../verify-input.ts'
import { atLeast } from './at-least.ts'
import {
  absentOrStripped,
  checkReference,
  isAccepted,
  type ReadRules,
  readResolved,
  readText,
} from './arrival.ts'
import { Check } from './check.ts'
import { checkAudience, checkBinding, checkRevocation, checkTime } from './context-checks.ts'
import { DeepChecker, isDeep } from './deep-checker.ts'
import { isStillTrusted } from './deep-result.ts'
import { FactsReader } from './facts-reader.ts'
import { HeadKeeper } from './head-keeper.ts'
import { IssuedVerdict } from './issued-verdict.ts'
import { holdsJwt } from './jwt-verification.ts'
import { checkKey, type KeyRules } from './key-check.ts'
import { askPossession, isTimely, type MeasuredQueue } from './possession.ts'
import { onceUsed } from './once-used.ts'
import { evaluatePath } from './proof.ts'
import { ReferenceResolver } from './reference-resolver.ts'
import { callerClass, SignatureQueue } from './signature-queue.ts'
import { TokenCache } from './token-cache.ts'
import { namesAttestation, type TokenFacts } from './token-facts.ts'
import { TrustFollower } from './trust-follower.ts'

/**
 * The steps in their order: shape, limits, key, time, audience, revocation, proof and head, signature,
 * binding, attestation, replay. Cheap before dear; what comes before the proof can only refuse;
 * replay is last, so that nothing is burnt in vain.
 *
 * An invalid step ends it. An unverifiable one of a token that may be authentic is noted, and the
 * rest is checked all the same: a policy may allow a stale trust state, never an expired token under one.
 */
export class Engine implements Verifier {
  readonly #options: VerifierOptions
  readonly #trust: TrustView
  readonly #observer: VerifierObserver
  readonly #stopwatch: () => number
  readonly #queue: SignatureQueue
  readonly #parts: MeasuredQueue
  readonly #heads: HeadKeeper
  readonly #deep: DeepChecker | undefined
  readonly #references: ReferenceResolver | undefined
  readonly #cache: TokenCache
  readonly #toleranceS: number
  readonly #pendingMax: number
  readonly #readRules: ReadRules
  readonly #keyRules: KeyRules
  readonly #follower: TrustFollower
  readonly #unsubscribe: (() => void) | undefined
  #pending = 0

  constructor(options: VerifierOptions) {
    this.#options = options
    this.#trust = options.trust
    this.#observer = options.observer ?? silentObserver
    this.#stopwatch = options.stopwatch ?? (() => 0)
    this.#queue = new SignatureQueue(options.signatures ?? {}, options.clock)
    const { trust } = options
    const parts = { trust, observer: this.#observer, stopwatch: this.#stopwatch, queue: this.#queue }
    this.#parts = parts
    this.#heads = new HeadKeeper({ ...parts, options: options.heads ?? {} })
    this.#deep =
      options.attestations &&
      new DeepChecker({ ...parts, clock: options.clock, options: options.attestations })
    this.#references = options.references && new ReferenceResolver(options.references)
    this.#cache = new TokenCache(atLeast(0, options.cacheMax ?? 100_000))
    this.#readRules = {
      jwt: { isKnownKid: (kid) => options.trust.keyByKid(options.trust.td, kid, 'qip-jwt') !== undefined },
      facts: new FactsReader(options.trust.td),
    }
    this.#keyRules = {
      trust: options.trust,
      staleAfterMs: atLeast(1, options.staleAfterMs ?? 300_000),
      acceptsStale: options.staleTrust === 'accept',
    }
    this.#toleranceS = atLeast(0, options.clockToleranceS ?? limits.clockToleranceS)
    this.#pendingMax = atLeast(0, options.pendingMax ?? 1_024)
    this.#follower = new TrustFollower({
      trust: options.trust,
      staleAfterMs: this.#keyRules.staleAfterMs,
      heads: this.#heads.provisional,
      replay: options.replay,
    })
    this.#unsubscribe = options.trust.subscribe?.({
      onState: () => this.#follower.follow(options.clock.now(), true),
    })
    this.#follower.follow(options.clock.now())
  }

  verify(input: VerifyInput): Verdict | Promise<Verdict> {
    const check = new Check(input, this.#options.clock.now(), this.#stopwatch())
    this.#follower.follow(check.nowMs)
    const reason = this.#checkShape(check) ?? this.#judge(check)
    return typeof reason === 'string' ? this.#conclude(check, reason) : this.#concludeLater(check, reason)
  }

  recheck(verdict: Verdict): Reason {
    const known = IssuedVerdict.factsOf(verdict)
    if (known === undefined) return verdict.status === 'verified' ? 'key_unknown' : verdict.reason
    const check = new Check({ tokenCount: 1, audience: '' }, this.#options.clock.now(), 0)
    check.isProven = true
    this.#follower.follow(check.nowMs)
    const { facts, deep } = known
    const reason =
      checkKey(check, facts, this.#keyRules) ??
      checkTime(facts, check.nowMs, this.#toleranceS) ??
      this.#checkRevocation(check, facts) ??
      (deep && !isStillTrusted(this.#trust, deep, facts) ? 'build_revoked' : undefined)
    if (reason !== undefined) return reason
    const head = facts.form === 'jwt' ? undefined : this.#heads.look(facts, check.isFresh)
    // A head that was dropped when its last token expired was held when it mattered.
    if (head !== undefined && head !== 'ask') return head
    return this.#isStale(check) ? 'trust_stale' : 'ok'
  }

  async checkDeferred(verdict: Verdict): Promise<DeepOutcome> {
    const facts = IssuedVerdict.factsOf(verdict)?.facts
    return (facts && (await this.#deep?.checkApart(facts))) ?? 'unavailable'
  }

  async recheckAttestation(place: { readonly origin: string; readonly index: number }): Promise<DeepOutcome> {
    return (await this.#deep?.recheck(this.#trust.td, place)) ?? 'unavailable'
  }

  ready(): boolean {
    const { replay, clock } = this.#options
    this.#follower.follow(clock.now())
    return replay?.ready() ?? true
  }

  stats(): VerifierStats {
    return {
      cacheEntries: this.#cache.size,
      ...this.#heads.stats(),
      ...(this.#deep?.stats(this.#options.clock.now()) ?? { attestations: 0, attestationsFresh: 0 }),
      pending: this.#pending,
      signaturesWaiting: this.#queue.size,
    }
  }

  close(): void {
    this.#unsubscribe?.()
  }

  /** Shape and limits: what is there, and is it a token? */
  #checkShape(check: Check): Reason | Promise<Reason> | undefined {
    const { token, tokenCount, acceptReference } = check.input
    if (tokenCount === 0 && token === undefined) return absentOrStripped(check.input)
    if (tokenCount !== 1 || token === undefined || token.length > limits.headerFieldMax)
      return 'token_malformed'
    check.text = token
    const cached = this.#cache.get(token)
    if (cached !== undefined) {
      if (!isAccepted(cached.form, check.input)) return 'token_malformed'
      check.facts = cached
      check.isProven = true
      check.path = 'cached'
      return undefined
    }
    if (token.startsWith('qipr1.')) {
      if (acceptReference !== true || this.#references === undefined) return 'token_malformed'
      const refused = checkReference(check, this.#keyRules)
      if (refused !== undefined) return refused
      return this.#enter(check) ? this.#resolve(check, this.#references) : 'overloaded'
    }
    return readText(check, token, this.#readRules)
  }

  async #resolve(check: Check, references: ReferenceResolver): Promise<Reason> {
    const answer = await references.resolve(check.text, this.#options.clock.now())
    if (answer === 'absent') return 'signature_invalid'
    if (answer === 'unavailable' || !readResolved(check, answer.text, this.#readRules))
      return 'head_unavailable'
    this.#afterWait(check)
    return this.#judge(check)
  }

  #judge(check: Check): Reason | Promise<Reason> {
    const { facts } = check
    if (facts === undefined) throw new TypeError('nothing was read')
    const refused = this.#checkContext(check, facts)
    if (refused !== undefined) return refused
    const proof = this.#checkProof(check, facts)
    if (proof === undefined) return this.#afterProof(check, facts)
    if (proof !== 'ask') return proof
    return this.#enter(check) ? this.#askProof(check, facts) : 'overloaded'
  }

  /** Key, time, audience and revocation: on each request, and again after anything was waited for. */
  #checkContext(check: Check, facts: TokenFacts): Reason | undefined {
    return (
      checkKey(check, facts, this.#keyRules) ??
      checkTime(facts, check.nowMs, this.#toleranceS) ??
      checkAudience(check, facts) ??
      this.#checkRevocation(check, facts)
    )
  }

  #checkRevocation(check: Check, facts: TokenFacts): Reason | undefined {
    if (this.#heads.provisional.isDistrusted(facts.kid)) return 'key_revoked'
    return checkRevocation(this.#trust, check, facts)
  }

  /** Proof and head: does the path lead to a head that is held for exactly this place? */
  #checkProof(check: Check, facts: TokenFacts): Reason | 'ask' | undefined {
    const { token } = check
    if (!check.isProven && token !== undefined && token.form !== 'jwt') {
      const head = evaluatePath(token, facts)
      if (head === undefined) return 'signature_invalid'
      facts.head = head
    }
    if (facts.head === undefined) return check.isProven ? undefined : 'ask'
    const found = this.#heads.look(facts, check.isFresh)
    if (found === undefined) return undefined
    if (check.isProven) this.#cache.delete(check.text)
    if (found !== 'ask') this.#suspect(check, facts)
    return found
  }

  #suspect(check: Check, facts: TokenFacts): void {
    if (check.sigs.length === 0 && check.input.staple === undefined) return
    this.#heads.suspect(facts, check.presented, check.nowMs)
  }

  /** Signature: of the head, where it isn't held; of the token itself in the JWT form. */
  async #askProof(check: Check, facts: TokenFacts): Promise<Reason> {
    const refused = await this.#askSignature(check, facts)
    if (refused !== undefined) return refused
    this.#afterWait(check)
    return (
      this.#checkContext(check, facts) ?? this.#checkHeldNow(check, facts) ?? this.#afterProof(check, facts)
    )
  }

  async #askSignature(check: Check, facts: TokenFacts): Promise<Reason | undefined> {
    const { token, key } = check
    if (facts.head !== undefined) return this.#heads.ask(facts, check.presented, check.nowMs)
    // A JWT carries no proof of its log entry. What it claims of it (`log`, `idx`) is what it is revoked and used up by.
    if (token?.form !== 'jwt' || key === undefined) throw new TypeError('no signature to ask for')
    const place = callerClass(check.input.priority ?? 1, 'jwt')
    const holds = await this.#queue.run(place, () => holdsJwt(token, key.key, this.#parts))
    if (holds === 'shed') return 'overloaded'
    return holds ? undefined : 'signature_invalid'
  }

  #checkHeldNow(check: Check, facts: TokenFacts): Reason | undefined {
    if (facts.head === undefined) return undefined
    const found = this.#heads.look(facts, check.isFresh)
    if (found === undefined) return undefined
    if (found === 'ask') return 'head_unavailable'
    this.#suspect(check, facts)
    return found
  }

  // From here on the caller is authenticated.
  #afterProof(check: Check, facts: TokenFacts): Reason | Promise<Reason> {
    check.authenticated = true
    if (!check.isProven && !facts.oneTime) this.#cache.set(check.text, facts, check.nowMs)
    const refused = checkBinding(check, facts, this.#toleranceS)
    if (refused === undefined) return this.#afterBinding(check, facts)
    if (refused !== 'ask') return refused
    return this.#enter(check) ? this.#askPossession(check, facts) : 'overloaded'
  }

  /** Possession of the key: the signature of the proof that came with the request. */
  async #askPossession(check: Check, facts: TokenFacts): Promise<Reason> {
    const holds = await askPossession(check, this.#parts)
    if (holds === 'shed') return 'overloaded'
    this.#afterWait(check)
    const refused = this.#checkContext(check, facts) ?? this.#checkHeldNow(check, facts)
    if (refused !== undefined) return refused
    if (!holds || !isTimely(check, this.#toleranceS)) return 'binding_mismatch'
    check.binding = 'proof_key'
    return this.#afterBinding(check, facts)
  }

  #afterBinding(check: Check, facts: TokenFacts): Reason | Promise<Reason> {
    return this.#checkAttestation(check, facts) ?? this.#checkReplay(check, facts)
  }

  /** Attestation: of exactly the attestations that the token and its chain name, where a deep check is due. */
  #checkAttestation(check: Check, facts: TokenFacts): Reason | Promise<Reason> | undefined {
    if (facts.attestation === undefined && !namesAttestation(facts.hops)) return undefined
    const { deep = 'never', leastShare } = this.#options.attestations ?? {}
    const mode = check.input.deep ?? deep
    if (!isDeep(mode, facts.digestText, leastShare?.()) && !this.#isKnown(mode, facts, check.nowMs)) {
      check.isShallow = true
      this.#observer.deepCheck(mode === 'deferred' ? 'deferred' : 'skipped')
      return undefined
    }
    if (this.#deep === undefined) {
      check.addUnverifiable('attestation_unavailable')
      return undefined
    }
    if (this.#deep.isHeld(facts, check.nowMs)) return this.#deep.judgeHeld(check, facts)
    return this.#enter(check) ? this.#askAttestation(check, facts, this.#deep) : 'overloaded'
  }

  #isKnown(mode: DeepMode, facts: TokenFacts, nowMs: number): boolean {
    return mode !== 'never' && this.#deep?.isKnown(facts, nowMs) === true
  }

  async #askAttestation(check: Check, facts: TokenFacts, deep: DeepChecker): Promise<Reason> {
    check.path = 'deep'
    await deep.ask(facts)
    this.#afterWait(check)
    return (
      this.#checkContext(check, facts) ??
      deep.judgeHeld(check, facts) ??
      (await this.#checkReplay(check, facts))
    )
  }

  /** Replay: last, so that nothing is burnt in vain. */
  #checkReplay(check: Check, facts: TokenFacts): Reason | Promise<Reason> {
    const once = onceUsed(facts, check.proof)
    if (once === undefined) return this.#finish(check)
    const { replay } = this.#options
    if (replay === undefined) return this.#finish(check, 'unavailable')
    if (replay.waits !== false && !check.isPending && this.#pending >= this.#pendingMax) return 'overloaded'
    const { requestId, proxy } = check.input
    const outcome = replay.consume({ ...once, nowMs: check.nowMs, requestId, proxy })
    if (typeof outcome === 'string') return this.#finish(check, outcome)
    const settled = outcome.catch(() => 'unavailable' as const)
    return this.#enter(check) ? this.#awaitReplay(check, facts, settled) : 'overloaded'
  }

  async #awaitReplay(check: Check, facts: TokenFacts, asked: Promise<ReplayOutcome>): Promise<Reason> {
    const outcome = await asked
    this.#afterWait(check)
    return this.#checkContext(check, facts) ?? this.#finish(check, outcome)
  }

  // Whatever was waited for took time: the clock and the trust state may be other ones.
  #afterWait(check: Check): void {
    check.nowMs = this.#options.clock.now()
    this.#follower.follow(check.nowMs)
  }

  #finish(check: Check, outcome: ReplayOutcome = 'fresh'): Reason {
    if (outcome === 'replayed') return check.facts?.oneTime === true ? 'token_replayed' : 'binding_mismatch'
    if (outcome === 'unavailable') check.addUnverifiable('replay_unavailable')
    check.isRetry = outcome === 'retry'
    check.isFreshHere = outcome === 'fresh_here'
    if (this.#isStale(check)) check.unverifiable = ['trust_stale', ...(check.unverifiable ?? [])]
    const unverifiable = check.unverifiable?.[0]
    if (unverifiable !== undefined) return unverifiable
    if (check.isShallow) return 'ok_shallow'
    return check.isRetry ? 'ok_retry' : 'ok'
  }

  #isStale(check: Check): boolean {
    return !check.isFresh && !check.acceptsStale
  }

  // Whether this verification may wait: once it does, it is one of the pending ones.
  #enter(check: Check): boolean {
    if (check.isPending) return true
    if (this.#pending >= this.#pendingMax) return false
    this.#pending += 1
    check.isPending = true
    return true
  }

  async #concludeLater(check: Check, reason: Promise<Reason>): Promise<Verdict> {
    try {
      return this.#conclude(check, await reason)
    } finally {
      this.#pending -= 1
    }
  }

  #conclude(check: Check, reason: Reason): Verdict {
    const totalMs = this.#stopwatch() - check.startedMs
    const { facts, input, path } = check
    if (check.authenticated && facts?.provisional !== undefined) facts.provisional.decisions += 1
    this.#observer.verification(input.audience, reason, path, totalMs)
    if (reason === 'key_unknown' && facts !== undefined)
      this.#observer.unknownKey(facts.td, facts.form === 'jwt' ? facts.kid : facts.keyId)
    return new IssuedVerdict(check, reason, {
      epoch: this.#trust.epoch,
      totalMs,
      acceptsUnanchored: this.#options.heads?.unanchored === 'accept',
      replayPerInstance: this.#options.replay?.scope === 'instance',
    })
  }
}
