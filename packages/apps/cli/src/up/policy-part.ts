import { join } from 'node:path'
import type { Session, TrustFollower } from '@quantum-ip/client'
import { type Config, readYaml } from '@quantum-ip/http'
import { RolledOutPolicies } from '@quantum-ip/point/member'
import type { CompiledPolicy } from '@quantum-ip/policy'
import type { Metrics } from '@quantum-ip/telemetry'
import type { TrustStore } from '@quantum-ip/trust'

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

/** Opens the policies of a gateway: those of files, and those that the authority rolls out. */
export function openPolicyPart(options: PolicyPartOptions): Promise<RolledOutPolicies> {
  const { config, thread, onEvent } = options
  const { name, routes, flows } = config.gateway
  return RolledOutPolicies.open({
    ...options,
    names: config.policies.authority,
    read: (text, source) => readYaml(text, { source }),
    file: join(config.trust.snapshotDirectory, `${name}-${thread}.policies`),
    point: thread === 0 ? name : `${name}-${thread}`,
    isUsed: (used) => [...routes, ...flows].some(({ policy }) => policy === used),
    onTaken: ({ rollout, active, candidate }) =>
      onEvent(
        `gateway: policy ${rollout.policy} version ${active.version}${candidate === undefined ? '' : `, candidate ${candidate.version}`}`,
      ),
    onRefused: (refused) =>
      onEvent(`gateway: policy ${refused.name} refused, the one before stays: ${refused.reason}`),
    onFailed: (error) => onEvent(`gateway: policies: ${error instanceof Error ? error.message : 'unknown'}`),
  })
}
