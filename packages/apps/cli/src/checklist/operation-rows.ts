import { formatSpan } from '../lib/times.ts'
import type { Asking } from './ask.ts'
import type { ChecklistRow } from './row.ts'

const dayMs = 86_400_000

/** Who owns each service: alerts and messages go there. */
export async function ownerRows(asking: Asking): Promise<readonly ChecklistRow[]> {
  const services = await asking.list('/v1/services', 'services')
  const name = 'services-owned'
  const next = '`services: [{ id, owner, tier, stage }]` of the configuration; `qip services` shows them'
  if (services.length === 0) return [{ name, outcome: 'fail', seen: 'no service is declared', next }]
  const nobody = services.filter((service) => (service.optionalText('owner') ?? '') === '')
  if (nobody.length === 0)
    return [{ name, outcome: 'ok', seen: `all ${services.length} services have an owner` }]
  const seen = `nobody owns ${nobody.map((service) => service.text('id')).join(', ')}`
  return [{ name, outcome: 'warn', seen: seen.slice(0, 300), next }]
}

interface Group {
  readonly service: string
  readonly policy: string
  readonly reason: string
  readonly action: string
  readonly wouldBe: string
  readonly requests: number
}

async function groupsOf(asking: Asking, sinceMs: number): Promise<readonly Group[]> {
  const by = 'service,policy,reason,action,wouldBe'
  const groups = await asking.list(`/v1/decision-counts?by=${by}&since=${sinceMs}`, 'groups')
  return groups.map((group) => ({
    service: group.optionalText('service') ?? '?',
    policy: group.optionalText('policy') ?? '?',
    reason: group.optionalText('reason') ?? '?',
    action: group.optionalText('action') ?? '?',
    wouldBe: group.optionalText('wouldBe') ?? '?',
    requests: group.integer('count'),
  }))
}

/** Whether each enforced service was called with tokens that hold, and whether its policy would have refused what it let through. */
export async function trafficRows(asking: Asking, nowMs: number): Promise<readonly ChecklistRow[]> {
  const services = await asking.list('/v1/services', 'services')
  const groups = await groupsOf(asking, nowMs - dayMs)
  const rows: ChecklistRow[] = []
  for (const service of services) {
    const id = service.text('id')
    const own = groups.filter((group) => group.service === id)
    const verified = own.filter(({ reason }) => reason.startsWith('ok'))
    if (verified.length === 0)
      rows.push({
        name: 'service-verified',
        outcome: 'warn',
        seen: `no verified call of ${id} was recorded within a day`,
        next: 'is it called with tokens through a gateway? `qip doctor <its URL>`; of verified calls 1 % are recorded',
      })
    const tolerated = own.filter(({ action, wouldBe }) => action === 'allow' && wouldBe === 'reject')
    if (service.text('stage') === 'enforced' && tolerated.length > 0)
      rows.push({
        name: 'service-enforced',
        outcome: 'fail',
        seen: `${id} is \`enforced\`, and its policy let through what it would reject (monitor or canary)`,
        next: 'promote the policy, or take the stage back to `onboarding`',
        runbook: 'docs/runbooks/wrong-policy.md',
      })
  }
  if (rows.length > 0 || services.length === 0) return rows
  return [
    {
      name: 'service-verified',
      outcome: 'ok',
      seen: `verified calls of all ${services.length} services within a day`,
    },
  ]
}

/** Whether there is a recent backup, as far as the record of acts goes back. */
export async function backupRows(asking: Asking, nowMs: number): Promise<readonly ChecklistRow[]> {
  const acts = await asking.list('/v1/acts', 'acts')
  const [newest] = acts.filter((act) => act.text('act') === 'backup').map((act) => act.integer('timeMs'))
  const name = 'backup-recent'
  const next =
    '`qip backup <file>` every day, from a timer, to another machine; then `qip backup verify <file>`'
  const runbook = 'docs/runbooks/restored-backup.md'
  if (newest === undefined)
    return [{ name, outcome: 'fail', seen: 'none among the last 100 acts of operators', next, runbook }]
  const seen = `the last one ${formatSpan(Math.max(0, nowMs - newest))} ago`
  return [
    nowMs - newest > dayMs ? { name, outcome: 'warn', seen, next, runbook } : { name, outcome: 'ok', seen },
  ]
}

/** Security events that nobody has closed. */
export async function eventRows(asking: Asking): Promise<readonly ChecklistRow[]> {
  const events = (await asking.list('/v1/events?limit=1000', 'events')).filter(
    (event) => event.text('state') !== 'closed',
  )
  const name = 'events-closed'
  if (events.length === 0) return [{ name, outcome: 'ok', seen: 'no open security event' }]
  const critical = events.some((event) => event.text('severity') === 'critical')
  const seen = events.map((event) => `${event.integer('number')}: ${event.text('kind')}`).join(', ')
  return [
    {
      name,
      outcome: critical ? 'fail' : 'warn',
      seen: seen.slice(0, 300),
      next: '`qip events show <number>`',
      runbook: 'docs/runbooks/security-event.md',
    },
  ]
}
