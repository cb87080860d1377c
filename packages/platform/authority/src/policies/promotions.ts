import type { Clock } from '@quantum-ip/base'
import { readYaml } from '@quantum-ip/http'
import { compileReadPolicy } from '@quantum-ip/policy'
import type { PolicyRollout } from '@quantum-ip/trust'
import { AuthorityError } from '../authority-errors.ts'
import type { SecurityEvents } from '../detection/security-events.ts'
import type { Fleet } from '../fleet.ts'
import type { Sql } from '../store/sql.ts'
import type { Policies, PublishOrder, RolloutOrder, SignedRollout } from './policies.ts'
import { readRollout, readRollouts } from './policy-rows.ts'
import type { PolicyReports } from './policy-reports.ts'
import {
  decidePromotion,
  endStatement,
  type Promotion,
  type PromotionPlan,
  readPromotion,
  startStatement,
  stepStatement,
  wholeShare,
} from './promotion.ts'

/** What promotions work on. */
export interface PromotionsOptions {
  readonly sql: Sql
  readonly clock: Clock
  readonly policies: Policies
  readonly reports: PolicyReports
  readonly fleet: Pick<Fleet, 'read'>
  readonly events: Pick<SecurityEvents, 'raise'>
  /** Lets verifiers see what is in force now. */
  readonly publish: () => Promise<unknown>
  /** Told of what an operator must hear of. */
  readonly onEvent: (event: string, detail: Readonly<Record<string, string | number>>) => void
}

/** What an operator wants promoted, and how. */
export interface PromotionOrder extends Pick<
  PromotionPlan,
  'shares' | 'enforces' | 'soakMs' | 'budget' | 'requestsMin'
> {
  readonly name: string
  readonly by: string
}

/** What an operator wants taken back. */
export interface TakeBackOrder {
  readonly name: string
  readonly by: string
  readonly reason: string
  /** The version to return to. Default: what was in force before. */
  readonly version?: number | undefined
  /** Only the candidate is taken out; what is in force stays. */
  readonly candidateOnly?: boolean | undefined
}

type Stage = Pick<RolloutOrder, 'active' | 'candidate'>

const historyMax = 1_000
/** Who goes back by itself. */
const own = 'authority'

/**
 * Policies on their way into force: a row of the store for each, and each step a rollout in the same transaction. Any process that leads
 * may take the next step, and one that dies leaves a promotion before a step or after it.
 */
export class Promotions {
  readonly #options: PromotionsOptions
  #changing: Promise<unknown> = Promise.resolve()
  /** How many ran when it was last looked; unknown at first. */
  #seen: number | undefined
  #isAdvancing = false

  constructor(options: PromotionsOptions) {
    this.#options = options
  }

  /** Whether a step may be due. While one is taken, none is: what an operator wants must not queue behind many of them. */
  get mayAdvance(): boolean {
    return this.#seen !== 0 && !this.#isAdvancing
  }

  /**
   * Publishes a version of a policy, and resolves once verifiers can see the state that names its rollout.
   *
   * @throws {AuthorityError} as {@link Policies.publish}
   */
  publish(order: PublishOrder): Promise<SignedRollout> {
    return this.#inTurn(async () => {
      const rollout = await this.#options.policies.publish(order)
      await this.#options.publish()
      return rollout
    })
  }

  /**
   * Begins to bring the candidate of a policy into force; where there is none, the version that is in force and not carried out for all.
   *
   * @throws {AuthorityError} `QIP_AUTHORITY_POLICY_REFUSED` · `QIP_AUTHORITY_NOT_FOUND`
   * @throws {PolicyError} if the policy may not be enforced as it is
   */
  start(order: PromotionOrder): Promise<Promotion> {
    return this.#inTurn(async () => {
      const { policies, clock } = this.#options
      const { name, by } = order
      const { document: before } = policies.current(name)
      if ((await this.running(name)) !== undefined)
        throw refused(`a promotion of \`${name}\` is under way`, `qip policy rollback ${name}`)
      const { candidate, active } = before
      const version = (candidate ?? active).version
      await this.#check(name, version, before)
      const { shares, enforces, soakMs, budget, requestsMin } = order
      const limits = { soakMs, budget, requestsMin }
      const plan = { version, isCandidate: candidate !== undefined, shares, enforces, ...limits }
      const start = { name, plan, beforeRollout: before.number, askedBy: by, startedMs: clock.now() }
      const step = {
        action: 'promote',
        by,
        reason: stepReason(plan, 0),
        ...stageOf(plan, before, shares[0] ?? 0),
      }
      await policies.roll(name, step, [startStatement(start)])
      this.#seen = undefined
      await this.#options.publish()
      return (await this.running(name)) as Promotion
    })
  }

  /** What may be monitored may not always be enforced, and what is enforced already has nowhere to go. */
  async #check(name: string, version: number, { active, candidate }: PolicyRollout): Promise<void> {
    const { document } = await this.#options.policies.version(name, version)
    const read = readYaml(document.text, { source: `${name} version ${version}` })
    compileReadPolicy(read, { other: { mode: 'enforce', share: 0 } })
    const mode = active.mode ?? compileReadPolicy(read).document.mode
    if (candidate === undefined && mode === 'enforce')
      throw refused(`version ${version} of \`${name}\` is enforced already`, 'qip policy publish <file>')
  }

  /** Takes every step that can be taken. */
  async advance(): Promise<void> {
    this.#isAdvancing = true
    try {
      await this.#inTurn(() => this.#advanceAll())
    } finally {
      this.#isAdvancing = false
    }
  }

  async #advanceAll(): Promise<void> {
    const rows = await this.#options.sql.query(
      "SELECT * FROM policy_promotions WHERE phase = 'running' ORDER BY number",
    )
    this.#seen = rows.length
    for (const row of rows) await this.#step(readPromotion(row))
  }

  async #step(promotion: Promotion): Promise<void> {
    const { reports, clock } = this.#options
    const { name, rollout } = promotion
    const refusing = await this.#refusing(name)
    if (refusing !== undefined) return this.#rollBack(promotion, refusing)
    const { decision, detail } = decidePromotion(promotion, await reports.counts(name, rollout), clock.now())
    if (decision === 'roll-back') return this.#rollBack(promotion, detail)
    if (decision === 'go-on') return this.#goOn(promotion, detail)
  }

  /** A member that cannot take it tells more than any count. */
  async #refusing(name: string): Promise<string | undefined> {
    const { number } = this.#options.policies.current(name).document
    for (const { point, policies = [] } of await this.#options.fleet.read()) {
      const refusal = policies.find((held) => held.name === name)?.refused
      if (refusal?.rollout === number) return `${point} refuses it: ${refusal.reason}`
    }
    return undefined
  }

  async #goOn(promotion: Promotion, detail: string): Promise<void> {
    const { policies, clock, onEvent, publish } = this.#options
    const { name, plan, step, askedBy: by } = promotion
    const { document: before } = policies.current(name)
    const share = plan.shares[step + 1]
    const ms = clock.now()
    if (share !== undefined) {
      const next = {
        action: 'promote',
        by,
        reason: stepReason(plan, step + 1),
        ...stageOf(plan, before, share),
      }
      await policies.roll(name, next, [stepStatement(promotion, { rollout: before.number + 1, ms })])
    } else {
      const end = endStatement(promotion, { outcome: 'completed', ms, detail })
      // A canary that was asked for stays as it is; nothing else changes than that nobody watches it any more.
      const stage = plan.enforces ? enforced(plan.version) : stageOf(plan, before, plan.shares.at(-1) ?? 0)
      await policies.roll(
        name,
        { action: plan.enforces ? 'enforce' : 'promote', by, reason: detail, ...stage },
        [end],
      )
      onEvent('policy_promoted', { policy: name, version: plan.version, detail })
    }
    await publish()
  }

  async #rollBack(promotion: Promotion, detail: string, by = own): Promise<void> {
    const { policies, clock, sql, onEvent, publish } = this.#options
    const { name, plan, beforeRollout } = promotion
    const { active, candidate } = (await readRollout(sql, name, beforeRollout)).document
    const reason = detail.slice(0, 512)
    const end = endStatement(promotion, { outcome: 'rolled-back', ms: clock.now(), detail: reason })
    if (by === own) await this.#raise(promotion, reason)
    await policies.roll(name, { action: 'rollback', by, reason, active, candidate }, [end])
    onEvent('policy_rolled_back', { policy: name, version: plan.version, detail: reason })
    await publish()
  }

  // Before it goes back: a crash in between has it raised once more, which is the same event. After, it could be lost.
  async #raise({ number, name, plan }: Promotion, reason: string): Promise<void> {
    await this.#options.events.raise({
      kind: 'policy_rolled_back',
      severity: 'warning',
      subject: name,
      log: null,
      proof: { promotion: number, version: plan.version, reason },
      reportedBy: own,
      action: 'none',
      dedupe: `policy_rolled_back ${number}`,
    })
  }

  /**
   * Takes back: a promotion that runs; else what is in force, for what was in force before, or another version. A new record says so.
   *
   * @throws {AuthorityError} `QIP_AUTHORITY_POLICY_REFUSED` if there is nothing to return to
   */
  takeBack(order: TakeBackOrder): Promise<SignedRollout> {
    return this.#inTurn(async () => {
      const { policies, publish } = this.#options
      const { name, by, reason } = order
      const running = await this.running(name)
      if (running !== undefined) {
        await this.#rollBack(running, `${by}: ${reason}`, by)
        return policies.current(name)
      }
      const { document } = policies.current(name)
      const stage = order.candidateOnly === true ? withoutCandidate(document) : await this.#stageBefore(order)
      const action = order.candidateOnly === true ? 'withdraw' : 'rollback'
      const rollout = await policies.roll(name, { action, by, reason, ...stage })
      await publish()
      return rollout
    })
  }

  async #stageBefore({ name, version }: TakeBackOrder): Promise<Stage> {
    const { policies, sql } = this.#options
    const { active: now } = policies.current(name).document
    const history = await readRollouts(sql, name, historyMax)
    const isOther = ({ active }: PolicyRollout) =>
      version === undefined
        ? active.version !== now.version || active.mode !== now.mode || active.share !== now.share
        : active.version === version
    const found = history.map(({ document }) => document).find((document) => isOther(document))
    if (found !== undefined) return { active: found.active, candidate: undefined }
    const what = version === undefined ? 'anything else' : `version ${version}`
    throw refused(`${what} was never in force of \`${name}\``, `qip policy history ${name}`)
  }

  /** The promotion of a policy that is under way. */
  async running(name: string): Promise<Promotion | undefined> {
    return (await this.list(name, 1)).find(({ phase }) => phase === 'running')
  }

  /** The promotions of a policy, newest first. */
  async list(name: string, limit: number): Promise<readonly Promotion[]> {
    const rows = await this.#options.sql.query(
      'SELECT * FROM policy_promotions WHERE name = ? ORDER BY number DESC LIMIT ?',
      [name, limit],
    )
    return rows.map((row) => readPromotion(row))
  }

  #inTurn<Result>(work: () => Promise<Result>): Promise<Result> {
    const done = this.#changing.catch(() => undefined).then(work)
    this.#changing = done
    return done
  }
}

function stageOf({ version, isCandidate }: PromotionPlan, { active }: PolicyRollout, share: number): Stage {
  return isCandidate
    ? { active, candidate: { version, share } }
    : { active: { version, mode: 'canary', share }, candidate: undefined }
}

function enforced(version: number): Stage {
  return { active: { version, mode: 'enforce', share: 0 }, candidate: undefined }
}

function withoutCandidate({ active, candidate, policy }: PolicyRollout): Stage {
  if (candidate === undefined) throw refused(`\`${policy}\` has no candidate`, `qip policy status ${policy}`)
  return { active, candidate: undefined }
}

function stepReason({ shares }: PromotionPlan, step: number): string {
  const share = shares[step] ?? wholeShare
  return `step ${step + 1} of ${shares.length}: for ${share / 100}% of the callers`
}

function refused(reason: string, next: string): AuthorityError {
  return new AuthorityError('QIP_AUTHORITY_POLICY_REFUSED', { reason, next })
}
