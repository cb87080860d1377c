import { plural } from '../lib/plural.ts'
import { formatSpan } from '../lib/times.ts'
import type { Asking } from './ask.ts'
import type { ChecklistRow } from './row.ts'

const dayMs = 86_400_000

interface PolicyNow {
  readonly name: string
  readonly version: number
  readonly mode: string
  readonly candidate: number | undefined
  readonly changed: string
  readonly timeMs: number
}

async function policiesOf(asking: Asking): Promise<readonly PolicyNow[]> {
  const rollouts = await asking.list('/v1/policies', 'policies')
  return rollouts.map((rollout) => {
    const active = rollout.object('active')
    return {
      name: rollout.text('policy'),
      version: active.integer('version'),
      mode: active.optionalText('mode') ?? 'as its text says',
      candidate: rollout.has('candidate') ? rollout.object('candidate').integer('version') : undefined,
      changed: `${rollout.text('action')} by ${rollout.text('by')}`,
      timeMs: rollout.integer('timeMs'),
    }
  })
}

/** What is in force of each policy, and whether all members hold it. */
export async function policyRows(asking: Asking): Promise<readonly ChecklistRow[]> {
  const policies = await policiesOf(asking)
  if (policies.length === 0)
    return [
      {
        name: 'policies-rolled-out',
        outcome: 'warn',
        seen: 'the authority has no policies: gateways read files, or refuse by the built-in one',
        next: '`qip policy publish <file>`: signed, the same everywhere, and without a restart',
      },
    ]
  const rows: ChecklistRow[] = []
  for (const { name, version, mode, candidate } of policies) {
    const members = await asking.list(`/v1/policies/${encodeURIComponent(name)}`, 'members')
    const others = members.filter((member) => member.object('holds').integer('version') !== version)
    const beside = candidate === undefined ? '' : `, candidate ${candidate}`
    const seen = `${name}: version ${version}, ${mode}${beside}, at ${plural(members.length, 'member', 'members')}`
    if (others.length > 0) {
      const points = others.map((member) => member.text('point')).join(', ')
      const runbook = 'docs/runbooks/policy-drift.md'
      const next = `\`qip policy status ${name}\``
      rows.push({
        name: 'policies-rolled-out',
        outcome: 'fail',
        seen: `${seen}; not at ${points}`,
        next,
        runbook,
      })
    } else if (mode === 'monitor') {
      const next = `\`qip policy promote ${name}\`: step by step, and back by itself`
      rows.push({ name: 'policies-rolled-out', outcome: 'warn', seen: `${seen}: it refuses nobody`, next })
    } else rows.push({ name: 'policies-rolled-out', outcome: 'ok', seen })
  }
  return rows
}

/** Policies whose rollout changed within a day, with what takes it back. */
export async function policyChangeRows(asking: Asking, nowMs: number): Promise<readonly ChecklistRow[]> {
  const changed = (await policiesOf(asking)).filter(({ timeMs }) => nowMs - timeMs < dayMs)
  if (changed.length === 0)
    return [
      { name: 'policy-changes', outcome: 'ok', seen: 'none that the authority rolled out within a day' },
    ]
  return changed.map(({ name, version, changed: what, timeMs }) => ({
    name: 'policy-changes',
    outcome: 'warn' as const,
    seen: `${name}: ${what}, ${formatSpan(Math.max(0, nowMs - timeMs))} ago; version ${version} is in force`,
    next: `takes it back: \`qip policy rollback ${name}\``,
    runbook: 'docs/runbooks/wrong-policy.md',
  }))
}
