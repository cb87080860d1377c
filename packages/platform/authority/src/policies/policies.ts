import type { Clock, TrustDomain } from '@quantum-ip/base'
import { parseEnvelope } from '@quantum-ip/crypto'
import { readYaml } from '@quantum-ip/http'
import { compileReadPolicy } from '@quantum-ip/policy'
import {
  type ActivePolicy,
  type CandidatePolicy,
  type PolicyReference,
  type PolicyRollout,
  type PolicyText,
  type PolicyVersion,
  type RolloutMode,
  signPolicyRollout,
  signPolicyText,
} from '@quantum-ip/trust'
import { AuthorityError } from '../authority-errors.ts'
import type { KeyRing } from '../keys/key-ring.ts'
import type { Sql, SqlStatement } from '../store/sql.ts'
import {
  findVersion,
  readNewestRollouts,
  readVersions,
  rolloutStatement,
  signedAgainStatement,
  signedPolicy,
  type SignedPolicy,
  versionStatement,
} from './policy-rows.ts'

/** What policies are opened with. */
export interface PoliciesOptions {
  readonly td: TrustDomain
  readonly sql: Sql
  readonly keys: KeyRing
  readonly clock: Clock
}

/** A policy that is to be published. */
export interface PublishOrder {
  /** YAML, as its author wrote it. */
  readonly text: string
  readonly comment: string
  readonly by: string
  /** Put in force at once, as its text says, without a shadow before. */
  readonly activate: boolean
  /** Takes the place of the version in force at once, carried out as far as that one is; a candidate stays. */
  readonly replace?: boolean | undefined
}

/** What of a policy is to be in force from now on. */
export interface RolloutOrder {
  readonly action: string
  readonly by: string
  readonly reason: string
  readonly active: Omit<ActivePolicy, 'sha256'>
  readonly candidate: Omit<CandidatePolicy, 'sha256'> | undefined
}

/** A rollout with its signature. */
export type SignedRollout = SignedPolicy<PolicyRollout>

/** A state has room for more; what is operated by people has not. */
const namesMax = 256

/**
 * The policies of the trust domain: versions, which never change, and the history of what was in force, which only grows. Both are
 * signed with a `qip-policy` key, and the newest record of each policy is named by every state.
 *
 * INVARIANT: a rollout has a higher number than all before it, and the hash of the one before.
 */
export class Policies {
  readonly #options: PoliciesOptions
  #current = new Map<string, SignedRollout>()
  #changing: Promise<unknown> = Promise.resolve()
  /** A write was made of which nobody knows whether it took place. */
  #isUncertain = false

  private constructor(options: PoliciesOptions) {
    this.#options = options
  }

  /**
   * Takes up the policies as they were. Each is confirmed by a new record: a store that was restored does not know the last numbers
   * that verifiers saw, and a state that named lower ones would be refused.
   */
  static async open(options: PoliciesOptions): Promise<Policies> {
    const policies = new Policies(options)
    await policies.#read()
    for (const { document } of policies.list()) {
      const { active, candidate } = document
      const why = { action: 'confirm', by: 'authority', reason: 'an authority began its work' }
      await policies.roll(document.policy, { ...why, active, candidate })
    }
    return policies
  }

  /** The newest rollout of each policy, by name. */
  list(): readonly SignedRollout[] {
    return [...this.#current.values()]
  }

  /** What states say of policies. */
  stated(): ReadonlyMap<string, PolicyVersion> {
    return new Map(
      this.list().map(({ document, sha256 }) => [document.policy, { version: document.number, sha256 }]),
    )
  }

  /** What is in force of a policy. @throws {AuthorityError} `QIP_AUTHORITY_NOT_FOUND` */
  current(name: string): SignedRollout {
    const current = this.#current.get(name)
    if (current === undefined)
      throw new AuthorityError('QIP_AUTHORITY_NOT_FOUND', { what: `policy \`${name}\`` })
    return current
  }

  /** @throws {AuthorityError} `QIP_AUTHORITY_NOT_FOUND` */
  async version(name: string, version: number): Promise<SignedPolicy<PolicyText>> {
    const found = await findVersion(this.#options.sql, name, version)
    if (found === undefined)
      throw new AuthorityError('QIP_AUTHORITY_NOT_FOUND', {
        what: `version ${version} of policy \`${name}\``,
      })
    return found
  }

  /**
   * Publishes a version. The first one of a policy is in force at once, as its text says; a later one decides in shadow beside the
   * one in force. The same text again is the version that it was.
   *
   * @throws {AuthorityError} `QIP_AUTHORITY_POLICY_REFUSED`
   * @throws {PolicyError} for what is no policy
   */
  publish(order: PublishOrder): Promise<SignedRollout> {
    return this.#inTurn(async () => {
      const { document } = compileReadPolicy(readYaml(order.text, { source: 'the policy' }), {
        nowMs: this.#options.clock.now(),
      })
      const { name, version } = document
      const current = this.#current.get(name)
      if (current === undefined && this.#current.size >= namesMax)
        throw refused(`there are ${namesMax} policies already`)
      await this.#checkIdle(name)
      const published = await this.#keep({ name, version }, order)
      const active = { version, mode: undefined, share: 0 }
      const isFirst = current === undefined || order.activate
      if (current !== undefined && order.replace === true) {
        const { active: before, candidate } = current.document
        const replaced = { ...before, version }
        if (before.mode !== undefined) checkMode(order.text, before.mode)
        const why = { action: 'replace', by: order.by, reason: order.comment }
        return this.#roll(name, { ...why, active: replaced, candidate }, { published })
      }
      const rollout = {
        action: isFirst ? 'activate' : 'publish',
        by: order.by,
        reason: order.comment,
        active: isFirst ? active : current.document.active,
        candidate: isFirst ? undefined : { version, share: 0 },
      }
      if (!isFirst && current.document.active.version === version)
        throw refused(`version ${version} of \`${name}\` is in force already`)
      return this.#roll(name, rollout, { published })
    })
  }

  async #checkIdle(name: string): Promise<void> {
    const running = "SELECT number FROM policy_promotions WHERE name = ? AND phase = 'running'"
    if ((await this.#options.sql.query(running, [name])).length === 0) return
    const next = `wait for it, or take it back: qip policy rollback ${name}`
    throw new AuthorityError('QIP_AUTHORITY_POLICY_REFUSED', {
      reason: `a promotion of \`${name}\` is under way`,
      next,
    })
  }

  /** A version that is new, with its signature; `undefined` for one that is published already. */
  async #keep(
    { name, version }: { readonly name: string; readonly version: number },
    { text, comment, by }: PublishOrder,
  ): Promise<SignedPolicy<PolicyText> | undefined> {
    const { td, sql, clock } = this.#options
    const known = await findVersion(sql, name, version)
    if (known !== undefined && known.document.text === text) return undefined
    const [newest] = await readVersions(sql, name, 1)
    if (newest !== undefined && newest.version >= version) {
      throw new AuthorityError('QIP_AUTHORITY_POLICY_REFUSED', {
        reason:
          known === undefined
            ? `version ${newest.version} of \`${name}\` is newer than version ${version}`
            : `version ${version} of \`${name}\` is published with another text`,
        next: `write \`version: ${newest.version + 1}\` under \`metadata\``,
      })
    }
    const document: PolicyText = { td, name, version, timeMs: clock.now(), author: by, comment, text }
    const signer = await this.#options.keys.activeSigner('qip-policy')
    return signedPolicy(document, await signPolicyText(document, signer))
  }

  /**
   * Puts something else in force, with a record of it.
   *
   * @param beside what is written in the same transaction
   * @throws {AuthorityError} `QIP_AUTHORITY_NOT_FOUND` for a version that was never published
   */
  roll(name: string, order: RolloutOrder, beside: readonly SqlStatement[] = []): Promise<SignedRollout> {
    return this.#inTurn(() => this.#roll(name, order, { beside }))
  }

  async #roll(
    name: string,
    order: RolloutOrder,
    {
      beside = [],
      published,
    }: {
      readonly beside?: readonly SqlStatement[]
      readonly published?: SignedPolicy<PolicyText> | undefined
    },
  ): Promise<SignedRollout> {
    const { td, keys, clock } = this.#options
    if (this.#isUncertain) await this.#read()
    const before = this.#current.get(name)
    const { active, candidate, ...why } = order
    const named = await this.#named(name, { active, candidate }, published)
    const reference = (number: number): PolicyReference => ({
      version: number,
      sha256: (named.get(number) as SignedPolicy<PolicyText>).sha256,
    })
    const document: PolicyRollout = {
      td,
      policy: name,
      // Like the numbers of states: a restored store does not hand out one that verifiers saw already.
      number: Math.max((before?.document.number ?? 0) + 1, clock.now()),
      previous: before?.sha256,
      timeMs: clock.now(),
      ...why,
      active: { ...active, ...reference(active.version) },
      candidate: candidate && { ...candidate, ...reference(candidate.version) },
    }
    const signer = await keys.activeSigner('qip-policy')
    const rollout = signedPolicy(document, await signPolicyRollout(document, signer))
    const version = published === undefined ? [] : [versionStatement(published)]
    const again = await this.#signedAgain([...named.values()])
    await this.#transact([...version, ...again, ...beside, rolloutStatement(rollout)])
    this.#current.set(name, rollout)
    return rollout
  }

  /** The versions that a rollout names, by number. */
  async #named(
    name: string,
    { active, candidate }: Pick<RolloutOrder, 'active' | 'candidate'>,
    published?: SignedPolicy<PolicyText>,
  ): Promise<ReadonlyMap<number, SignedPolicy<PolicyText>>> {
    const named = new Map<number, SignedPolicy<PolicyText>>()
    for (const { version } of candidate === undefined ? [active] : [active, candidate]) {
      const isPublished = published?.document.version === version
      named.set(version, isPublished ? published : await this.version(name, version))
    }
    return named
  }

  // A version may come back long after the key that signed it was stolen: no member would take it as it was signed then.
  async #signedAgain(versions: readonly SignedPolicy<PolicyText>[]): Promise<readonly SqlStatement[]> {
    const statements: SqlStatement[] = []
    for (const version of versions.filter((each) => this.#isStale(each))) {
      const signer = await this.#options.keys.activeSigner('qip-policy')
      const { document } = version
      statements.push(signedAgainStatement(signedPolicy(document, await signPolicyText(document, signer))))
    }
    return statements
  }

  /** Signs anew what a key signed that does not count any more: versions in force, and their rollouts. @returns whether there was any */
  async signAgain(): Promise<boolean> {
    let isAny = false
    for (const name of this.#current.keys())
      isAny = (await this.#inTurn(() => this.#signCurrentAgain(name))) || isAny
    return isAny
  }

  // In turn, and of what is in force then: a step or a rollback that came between must not be undone by it.
  async #signCurrentAgain(name: string): Promise<boolean> {
    const rollout = this.current(name)
    const { active, candidate } = rollout.document
    const versions = await this.#named(name, { active, candidate })
    if (![rollout, ...versions.values()].some((each) => this.#isStale(each))) return false
    const why = {
      action: 'sign-again',
      by: 'authority',
      reason: 'a key that signed policies is compromised',
    }
    await this.#roll(name, { ...why, active, candidate }, {})
    return true
  }

  #isStale({ envelope }: Pick<SignedPolicy<unknown>, 'envelope'>): boolean {
    return parseEnvelope(envelope).signatures.some(
      ({ keyid }) => this.#options.keys.get(keyid ?? '')?.record.state === 'compromised',
    )
  }

  async #transact(statements: readonly SqlStatement[]): Promise<void> {
    try {
      await this.#options.sql.transact(statements)
    } catch (error) {
      this.#isUncertain = true
      await this.#read().catch(() => undefined)
      throw error
    }
  }

  async #read(): Promise<void> {
    const rows = await readNewestRollouts(this.#options.sql)
    this.#current = new Map(rows.map((rollout) => [rollout.document.policy, rollout]))
    this.#isUncertain = false
  }

  #inTurn<Result>(work: () => Promise<Result>): Promise<Result> {
    const done = this.#changing.catch(() => undefined).then(work)
    this.#changing = done
    return done
  }
}

/** What is carried out further than its text says must be fit for that. */
function checkMode(text: string, mode: RolloutMode): void {
  const share = mode === 'canary' ? 10_000 : 0
  compileReadPolicy(readYaml(text, { source: 'the policy' }), { other: { mode, share } })
}

function refused(reason: string): AuthorityError {
  return new AuthorityError('QIP_AUTHORITY_POLICY_REFUSED', { reason })
}
