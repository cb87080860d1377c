import { plural } from '../lib/plural.ts'
import { formatSpan, formatTime } from '../lib/times.ts'
import type { Asking } from './ask.ts'
import type { ChecklistRow } from './row.ts'

const hourMs = 3_600_000
const dayMs = 24 * hourMs
const shownMax = 8

/** What was refused within the last hour: services, points, reasons. */
export interface IncidentScope {
  readonly rows: readonly ChecklistRow[]
  readonly services: readonly string[]
  readonly regions: readonly string[]
  readonly reasons: readonly string[]
  readonly refused: number
}

/** Finds the scope of an incident: which services, at which points and in which regions, for which reasons. */
export async function incidentScope(asking: Asking, nowMs: number): Promise<IncidentScope> {
  const by = 'service,point,reason'
  const target = `/v1/decision-counts?by=${by}&action=reject&since=${nowMs - hourMs}`
  const groups = (await asking.list(target, 'groups'))
    .map((group) => ({
      service: group.optionalText('service') ?? '?',
      point: group.optionalText('point') ?? '?',
      reason: group.optionalText('reason') ?? '?',
      count: group.integer('count'),
    }))
    .toSorted((a, b) => b.count - a.count)
  const fleet = await asking.list('/v1/fleet', 'members')
  const regionOf = new Map(fleet.map((member) => [member.text('point'), member.optionalText('region')]))
  const regions = groups.flatMap(({ point }) => regionOf.get(point) ?? [])
  const refused = groups.reduce((sum, { count }) => sum + count, 0)
  return {
    services: [...new Set(groups.map(({ service }) => service))],
    regions: [...new Set(regions)],
    reasons: [...new Set(groups.map(({ reason }) => reason))],
    refused,
    rows:
      groups.length === 0
        ? [
            {
              name: 'scope',
              outcome: 'ok',
              seen: 'nothing was refused within the last hour, as far as records tell',
            },
          ]
        : groups.slice(0, shownMax).map(({ service, point, reason, count }) => ({
            name: 'scope',
            outcome: 'warn',
            seen: `${plural(count, 'refusal', 'refusals')} of ${service} at ${point}: ${reason}`,
            next: `\`qip decisions --reason ${reason} --service ${service} --since 1h\`, then \`qip explain\` one`,
            runbook: 'docs/runbooks/rejections.md',
          })),
  }
}

const changes = /^(?:install-root|rotate|roll-back|revoke|window|plan-key)/

/** What operators changed within a day, the newest first, with what takes it back. */
export async function changeRows(asking: Asking, nowMs: number): Promise<readonly ChecklistRow[]> {
  const acts = (await asking.list('/v1/acts', 'acts')).filter(
    (act) => changes.test(act.text('act')) && nowMs - act.integer('timeMs') < dayMs,
  )
  if (acts.length === 0)
    return [
      {
        name: 'changes',
        outcome: 'ok',
        seen: 'no operator changed keys, revocations or windows within a day',
      },
    ]
  return acts.slice(0, shownMax).map((act): ChecklistRow => {
    const [what, whenMs] = [act.text('act'), act.integer('timeMs')]
    const when = `${formatSpan(Math.max(0, nowMs - whenMs))} ago, ${act.text('operator')}`
    const row = {
      name: 'changes',
      outcome: 'warn' as const,
      seen: `${when}: ${what} ${act.text('detail').slice(0, 160)}`,
    }
    const back = backOf(what)
    return back === undefined ? row : Object.assign(row, { next: `takes it back: ${back}` })
  })
}

function names(list: readonly string[], none: string): string {
  return list.length === 0 ? none : list.join(', ')
}

function backOf(act: string): string | undefined {
  if (act.startsWith('rotate')) return '`qip keys rollback`'
  return act === 'window-open' ? '`qip window close <number>`' : undefined
}

/** What to tell the owners of the services, as far as it is known. */
export function messageDraft(
  scope: IncidentScope,
  { owners, nowMs }: { readonly owners: readonly string[]; readonly nowMs: number },
): string {
  return [
    `To: ${names(owners, 'the owners of the services')}`,
    `As of ${formatTime(nowMs)}: ${plural(scope.refused, 'recorded refusal', 'recorded refusals')} within the last hour.`,
    `Services: ${names(scope.services, 'none')}. Regions: ${names(scope.regions, 'not told')}.`,
    `Reasons: ${names(scope.reasons, 'none')}.`,
    'What callers see: <401, 403 or 503; since when>. What we do: <mitigation>. Next word: <time>.',
  ].join('\n')
}

/** Who owns the services that are touched. */
export async function ownersOf(asking: Asking, services: readonly string[]): Promise<readonly string[]> {
  const declared = await asking.list('/v1/services', 'services')
  const touched = declared.filter((service) => services.includes(service.text('id')))
  const owners = touched.map((service) => service.optionalText('owner') ?? '')
  return [...new Set(owners.filter((owner) => owner !== ''))]
}

/** Whether the incident is declared: alerts, sampling and reports go by that. */
export async function declaredRows(asking: Asking): Promise<readonly ChecklistRow[]> {
  const open = await asking.list('/v1/incidents?state=open', 'incidents')
  const name = 'incident-declared'
  if (open.length === 0)
    return [
      {
        name,
        outcome: 'warn',
        seen: 'no incident is open',
        next: '`qip incident open <title> --severity major`: sampling rises, and what is done is written down with its time',
      },
    ]
  const each = open.map((incident) => `${incident.integer('number')}: ${incident.text('title')}`)
  return [{ name, outcome: 'ok', seen: each.join(', ').slice(0, 300) }]
}
