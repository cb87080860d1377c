import type { FleetMember } from '../fleet.ts'
import type { Rotation } from './rotation.ts'

/** When a new key may sign. */
export interface GatePolicy {
  /** The share of the enrolled members that must hold it, 0..1. Default 1. */
  readonly threshold: number
  /** How long a rotation waits for them. Default five minutes. */
  readonly timeLimitMs: number
  /** What happens then. `hold`: it goes on waiting, and says so. `rollback`: the new key is withdrawn. Default `hold`. */
  readonly onTimeLimit: 'hold' | 'rollback'
}

/** What it takes where nothing is configured. */
export const gatePolicyDefault: GatePolicy = { threshold: 1, timeLimitMs: 300_000, onTimeLimit: 'hold' }

/** How one member stands to a rotation. */
export interface GateMember {
  readonly member: FleetMember
  /**
   * `acknowledged`: it holds the bundle with the new key, and verified the probe if it verifies probes · `behind`: it does not hold
   * that bundle · `unproven`: it does, and said nothing of the probe · `refused`: its verifier refuses what the new key signs.
   */
  readonly standing: 'acknowledged' | 'behind' | 'unproven' | 'refused'
}

/** How a rotation stands. */
export interface Gate {
  readonly members: readonly GateMember[]
  readonly acknowledged: number
  /** How many must have acknowledged. */
  readonly needed: number
  readonly decision: 'wait' | 'activate' | 'hold' | 'withdraw' | 'roll-back'
  /** Why, for people: who is waited for, who refuses. */
  readonly detail: string
}

/** These verdicts on a probe are about its key; all others about the member: its clock, its network, its load. */
const keyRefusals: ReadonlySet<string> = new Set([
  'key_unknown',
  'key_revoked',
  'signature_invalid',
  'head_unknown',
  'token_malformed',
])

/** Whether a verdict on a probe says something about the key. */
export function isConclusive(reason: string | undefined): boolean {
  return reason !== undefined && (reason.startsWith('ok') || keyRefusals.has(reason))
}

/** Whether a member verifies probes, and has not said what became of this one. */
export function isUnproven(rotation: Rotation, { probes, probe }: FleetMember): boolean {
  return probes && (probe?.id !== probeIdOf(rotation) || !isConclusive(probe.reason))
}

/** The name of the probe of a rotation in the phase that it is in: a report about another one says nothing about this one. */
export function probeIdOf({ number, phase }: Pick<Rotation, 'number' | 'phase'>): string {
  return `${number}/${phase}`
}

/**
 * Whether the new key of a rotation may sign, or must not any more. Only what enrolled members say in their sessions counts: junk in
 * the traffic could else bring back a key that was stolen. The threshold is about acknowledgements: one refusal is enough to withdraw, or
 * while the rotation settles to roll back. A compromise is no rotation that comes by here.
 */
export function decideGate(
  rotation: Rotation,
  members: readonly FleetMember[],
  { policy, nowMs }: { readonly policy: GatePolicy; readonly nowMs: number },
): Gate {
  const standings = members.map((member): GateMember => ({ member, standing: standingOf(rotation, member) }))
  const acknowledged = standings.filter(({ standing }) => standing === 'acknowledged').length
  const needed = Math.ceil(members.length * policy.threshold)
  const gate = { members: standings, acknowledged, needed }
  const refused = namesOf(standings, 'refused')
  if (refused !== '') {
    const decision = rotation.phase === 'settling' ? 'roll-back' : 'withdraw'
    return { ...gate, decision, detail: `refused by ${refused}` }
  }
  if (rotation.phase !== 'waiting') return { ...gate, decision: 'wait', detail: 'both keys count' }
  if (rotation.gateSequence === undefined)
    return { ...gate, decision: 'wait', detail: 'the new key is not published yet' }
  if (acknowledged >= needed)
    return {
      ...gate,
      decision: 'activate',
      detail: `${acknowledged} of ${members.length} members acknowledged`,
    }
  const detail = `waits for ${namesOf(standings, 'behind', 'unproven')}`
  if (nowMs - rotation.startedMs < policy.timeLimitMs) return { ...gate, decision: 'wait', detail }
  return { ...gate, decision: policy.onTimeLimit === 'rollback' ? 'withdraw' : 'hold', detail }
}

function standingOf(rotation: Rotation, member: FleetMember): GateMember['standing'] {
  const { use, gateSequence = Number.POSITIVE_INFINITY } = rotation
  if (member.bundleSequence < gateSequence) return 'behind'
  if (use !== 'qip-token' || !member.probes) return 'acknowledged'
  const { probe } = member
  if (probe?.id !== probeIdOf(rotation)) return 'unproven'
  if (keyRefusals.has(probe.reason)) return 'refused'
  return probe.reason.startsWith('ok') ? 'acknowledged' : 'unproven'
}

const namedMax = 8

function namesOf(members: readonly GateMember[], ...standings: readonly GateMember['standing'][]): string {
  const names = members
    .filter(({ standing }) => standings.includes(standing))
    .map(({ member }) => `${member.point} (${member.sid})`)
  const more = names.length - namedMax
  return more > 0 ? `${names.slice(0, namedMax).join(', ')} and ${more} more` : names.join(', ')
}
