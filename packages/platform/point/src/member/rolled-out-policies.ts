import type { JsonObject } from '@quantum-ip/base'
import {
  openPolicyFollower,
  openPolicyReports,
  type PolicyFollower,
  type RefusedRollout,
  type RolledOutPolicy,
  type Session,
  type TrustFollower,
} from '@quantum-ip/client'
import {
  builtinPolicy,
  type CompiledPolicy,
  compileReadPolicy,
  type Decision,
  type OtherMode,
  type ReadPolicy,
} from '@quantum-ip/policy'
import type { Metrics } from '@quantum-ip/telemetry'
import type { PolicyText, TrustStore } from '@quantum-ip/trust'
import type { WatchedRequest } from '../point-options.ts'
import { differenceCounter, PolicyTally } from './policy-tally.ts'

/** What the policies of a point are opened with. */
export interface RolledOutPoliciesOptions {
  readonly session: Session
  readonly store: TrustStore
  readonly metrics: Metrics
  /** Names of those that the authority rolls out. */
  readonly names: readonly string[]
  /** Those of this machine, by name. */
  readonly files: ReadonlyMap<string, CompiledPolicy>
  /** Reads the text of a version: `readYaml` of `@quantum-ip/http`. */
  readonly read: (text: string, name: string) => ReadPolicy
  /** Throws for a policy that cannot be carried out here: then its rollout is refused. */
  readonly check?: (policy: CompiledPolicy) => void
  /** Where the last good ones are kept over restarts. */
  readonly file: string
  /** What this point is called in reports: one name for each process and thread. */
  readonly point: string
  /** Whether a policy is in force anywhere here: of others there is no series. */
  readonly isUsed: (name: string) => boolean
  /** Tells the authority what is held here. */
  readonly follower: Pick<TrustFollower, 'acknowledge'>
  readonly onTaken?: (policy: RolledOutPolicy) => void
  readonly onRefused?: (refused: RefusedRollout) => void
  readonly onFailed?: (error: unknown) => void
}

/** Takes policies, all or none; throws where one cannot be. */
type UsePolicies = (
  policies: ReadonlyMap<string, CompiledPolicy>,
  candidates: ReadonlyMap<string, CompiledPolicy>,
) => void

/** The policies of a point: those of this machine, and those that the authority rolls out. */
export class RolledOutPolicies implements AsyncDisposable {
  /** By name: the one in force. */
  readonly active: Map<string, CompiledPolicy>
  /** By name of the policy beside which each one decides. */
  readonly candidates = new Map<string, CompiledPolicy>()
  readonly #options: RolledOutPoliciesOptions
  /** What is counted about each policy that the authority rolls out, since its rollout was taken. */
  readonly #tallies = new Map<string, PolicyTally>()
  #follower: PolicyFollower | undefined
  #reports: AsyncDisposable | undefined
  #use: UsePolicies | undefined

  private constructor(options: RolledOutPoliciesOptions) {
    this.#options = options
    // Closed until the authority has said something.
    const unknown = options.names.map((name) => [name, builtinPolicy] as const)
    this.active = new Map([...unknown, ...options.files])
  }

  /** Resolves once what is on disk and what the trust state names was tried. */
  static async open(options: RolledOutPoliciesOptions): Promise<RolledOutPolicies> {
    const { session, store, names, file, follower, onRefused, onFailed } = options
    const policies = new RolledOutPolicies(options)
    policies.#follower = await openPolicyFollower({
      session,
      store,
      names,
      file,
      take: (policy) => policies.#take(policy),
      onChange: () => follower.acknowledge(),
      ...(onRefused !== undefined && { onRefused }),
      ...(onFailed !== undefined && { onFailed }),
    })
    for (const [name, policy] of options.files) policies.#showVersion(name, policy)
    if (names.length > 0) policies.#report()
    return policies
  }

  /** From now on changes go there. */
  use(use: UsePolicies): void {
    this.#use = use
    use(this.active, this.candidates)
  }

  /** Counts what a policy under watch decides: the candidate, or the active one while it is not carried out for all. */
  watch(active: Decision, candidate: Decision | undefined, request: WatchedRequest): void {
    const tally = this.#tallies.get(active.policy.name)
    if (tally === undefined) return
    if (candidate !== undefined) {
      // Of a canary those for whom it is carried out count; in shadow all.
      if (candidate.mode === 'canary' && !candidate.enforced) return
      tally.add({ ...request, decision: candidate, otherwise: active.action })
    } else if (active.mode === 'monitor' || (active.mode === 'canary' && active.enforced)) {
      tally.add({ ...request, decision: active, otherwise: 'allow' })
    }
  }

  /** What is held, for the authority. */
  held(): JsonObject {
    const { names } = this.#options
    if (names.length === 0 || this.#follower === undefined) return {}
    const { held, refused } = this.#follower
    return {
      policies: names.flatMap((name): JsonObject[] => {
        const [rolledOut, not] = [held.get(name), refused.get(name)]
        if (rolledOut === undefined && not === undefined) return []
        const { rollout, active, candidate } = rolledOut ?? {}
        return [
          {
            name,
            rollout: rollout?.number ?? 0,
            version: active?.version ?? 0,
            ...(candidate !== undefined && { candidate: candidate.version }),
            ...(not !== undefined && { refused: { rollout: not.rollout, reason: not.reason } }),
          },
        ]
      }),
    }
  }

  /** The text of a version that is held. */
  textOf(name: string, version: number): string | undefined {
    const held = this.#follower?.held.get(name)
    return [held?.active, held?.candidate].find((each) => each?.version === version)?.text
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#reports?.[Symbol.asyncDispose]()
    await this.#follower?.[Symbol.asyncDispose]()
  }

  #report(): void {
    const { session, point } = this.#options
    this.#reports = openPolicyReports(session, {
      point,
      collect: () =>
        [...this.#tallies.values()].flatMap((tally) => {
          const news = tally.news()
          return news === undefined ? [] : [news]
        }),
      onLost: () => {
        for (const tally of this.#tallies.values()) tally.again()
      },
    })
  }

  /** All or nothing: what does not compile, or names an upstream that is not here, changes nothing. */
  #take(policy: RolledOutPolicy): void {
    const { rollout, active, candidate } = policy
    const name = rollout.policy
    const { mode, share } = rollout.active
    const next = this.#compile(active, mode === undefined ? undefined : { mode, share })
    const beside = candidate && this.#compile(candidate, besideMode(rollout.candidate?.share ?? 0))
    const policies = new Map(this.active).set(name, next)
    const candidates = new Map(this.candidates)
    if (beside === undefined) candidates.delete(name)
    else candidates.set(name, beside)
    this.#use?.(policies, candidates)
    this.active.set(name, next)
    if (beside === undefined) this.candidates.delete(name)
    else this.candidates.set(name, beside)
    this.#showVersion(name, next)
    const { metrics, onTaken } = this.#options
    this.#tallies.set(name, new PolicyTally(name, rollout.number, differenceCounter(metrics, name)))
    onTaken?.(policy)
  }

  #compile({ name, text }: PolicyText, other: OtherMode | undefined): CompiledPolicy {
    const policy = compileReadPolicy(this.#options.read(text, name), { other })
    this.#options.check?.(policy)
    return policy
  }

  #showVersion(name: string, { identity }: CompiledPolicy): void {
    const { metrics, isUsed } = this.#options
    if (!isUsed(name)) return
    const gauge = metrics.gauge('policy_version')
    gauge.set(gauge.places(0)(name), identity.version)
  }
}

/** In shadow it decides without effect; with a share it is carried out for that share of the callers. */
function besideMode(share: number): OtherMode {
  return share === 0 ? { mode: 'monitor', share } : { mode: 'canary', share }
}
