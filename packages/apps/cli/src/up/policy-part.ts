import { join } from 'node:path'
import type { JsonObject } from '@quantum-ip/base'
import {
  openPolicyFollower,
  openPolicyReports,
  type PolicyFollower,
  type RolledOutPolicy,
  type Session,
  type TrustFollower,
} from '@quantum-ip/client'
import type { PointServer } from './point-role.ts'
import type { WatchedRequest } from '@quantum-ip/point'
import { type Config, readYaml } from '@quantum-ip/http'
import {
  builtinPolicy,
  type CompiledPolicy,
  compileReadPolicy,
  type Decision,
  type OtherMode,
} from '@quantum-ip/policy'
import type { Metrics } from '@quantum-ip/telemetry'
import type { PolicyText, TrustStore } from '@quantum-ip/trust'
import { differenceCounter, PolicyTally } from './policy-tally.ts'

/** What the policies of a gateway are opened with. */
export interface PolicyPartOptions {
  readonly config: Config
  readonly session: Session
  readonly store: TrustStore
  readonly metrics: Metrics
  /** Those of files. */
  readonly files: ReadonlyMap<string, CompiledPolicy>
  readonly thread: number
  /** Tells the authority what is held here. */
  readonly follower: Pick<TrustFollower, 'acknowledge'>
  readonly onEvent: (text: string) => void
}

/** The policies of a gateway: those of files, and those that the authority rolls out. */
export class PolicyPart implements AsyncDisposable {
  /** By name: the one in force. */
  readonly active: Map<string, CompiledPolicy>
  /** By name of the policy beside which each one decides. */
  readonly candidates = new Map<string, CompiledPolicy>()
  readonly #options: PolicyPartOptions
  /** What is counted about each policy that the authority rolls out, since its rollout was taken. */
  readonly #tallies = new Map<string, PolicyTally>()
  #follower: PolicyFollower | undefined
  #reports: AsyncDisposable | undefined
  #gateway: Pick<PointServer, 'usePolicies'> | undefined

  private constructor(options: PolicyPartOptions) {
    this.#options = options
    // Closed until the authority has said something.
    const unknown = options.config.policies.authority.map((name) => [name, builtinPolicy] as const)
    this.active = new Map([...unknown, ...options.files])
  }

  static async open(options: PolicyPartOptions): Promise<PolicyPart> {
    const part = new PolicyPart(options)
    const { config, session, store, thread, follower, onEvent } = options
    part.#follower = await openPolicyFollower({
      session,
      store,
      names: config.policies.authority,
      file: join(config.trust.snapshotDirectory, `${config.gateway.name}-${thread}.policies`),
      take: (policy) => part.#take(policy),
      onChange: () => follower.acknowledge(),
      onRefused: ({ name, reason }) =>
        onEvent(`gateway: policy ${name} refused, the one before stays: ${reason}`),
      onFailed: (error) =>
        onEvent(`gateway: policies: ${error instanceof Error ? error.message : 'unknown'}`),
    })
    for (const [name, policy] of options.files) part.#showVersion(name, policy)
    if (config.policies.authority.length > 0) part.#report()
    return part
  }

  /** From now on changes go to this gateway. */
  use(gateway: Pick<PointServer, 'usePolicies'>): void {
    this.#gateway = gateway
    gateway.usePolicies(this.active, this.candidates)
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

  #report(): void {
    const { config, session, thread } = this.#options
    const { name } = config.gateway
    this.#reports = openPolicyReports(session, {
      point: thread === 0 ? name : `${name}-${thread}`,
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

  /** What is held, for the authority. */
  held(): JsonObject {
    const names = this.#options.config.policies.authority
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

  /** All or nothing: what does not compile, or names an upstream that is not here, changes nothing. */
  #take({ rollout, active, candidate }: RolledOutPolicy): void {
    const name = rollout.policy
    const { mode, share } = rollout.active
    const next = compile(active, mode === undefined ? undefined : { mode, share })
    const beside = candidate && compile(candidate, besideMode(rollout.candidate?.share ?? 0))
    const policies = new Map(this.active).set(name, next)
    const candidates = new Map(this.candidates)
    if (beside === undefined) candidates.delete(name)
    else candidates.set(name, beside)
    this.#gateway?.usePolicies(policies, candidates)
    this.active.set(name, next)
    if (beside === undefined) this.candidates.delete(name)
    else this.candidates.set(name, beside)
    this.#showVersion(name, next)
    this.#tallies.set(
      name,
      new PolicyTally(name, rollout.number, differenceCounter(this.#options.metrics, name)),
    )
    this.#options.onEvent(
      `gateway: policy ${name} version ${active.version}${candidate === undefined ? '' : `, candidate ${candidate.version}`}`,
    )
  }

  #showVersion(name: string, { identity }: CompiledPolicy): void {
    // Of others there is no series: no route of this gateway has them.
    const { routes, flows } = this.#options.config.gateway
    if (![...routes, ...flows].some(({ policy }) => policy === name)) return
    const gauge = this.#options.metrics.gauge('policy_version')
    gauge.set(gauge.places(0)(name), identity.version)
  }
}

/** In shadow it decides without effect; with a share it is carried out for that share of the callers. */
function besideMode(share: number): OtherMode {
  return share === 0 ? { mode: 'monitor', share } : { mode: 'canary', share }
}

function compile({ name, text }: PolicyText, other: OtherMode | undefined): CompiledPolicy {
  return compileReadPolicy(readYaml(text, { source: name }), { other })
}
