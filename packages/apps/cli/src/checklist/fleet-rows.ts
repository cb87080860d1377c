import type { Config } from '@quantum-ip/http'
import { plural } from '../lib/plural.ts'
import { formatSpan } from '../lib/times.ts'
import type { Asking } from './ask.ts'
import type { ChecklistRow } from './row.ts'

const lateMs = 12_000

interface Member {
  readonly point: string
  readonly kind: string
  readonly region: string
  readonly behindMs: number
}

async function membersOf(asking: Asking): Promise<readonly Member[]> {
  const fleet = await asking.answer('/v1/fleet')
  const seq = fleet.integer('seq')
  return fleet.objects('members', 100_000).map((member) => ({
    point: member.text('point'),
    kind: member.text('kind'),
    region: member.optionalText('region') ?? '',
    behindMs: seq - member.integer('seq'),
  }))
}

/** Whether anybody verifies, and all of them follow. */
export async function memberRows(asking: Asking): Promise<readonly ChecklistRow[]> {
  const members = await membersOf(asking)
  const late = members.filter(({ behindMs }) => behindMs > lateMs)
  const runbook = 'docs/runbooks/stale-trust.md'
  if (members.length === 0)
    return [
      {
        name: 'members-enrolled',
        outcome: 'fail',
        seen: 'nobody follows the trust state',
        next: '`qip join-token <service> --role verifier` admits an enforcement point',
        runbook,
      },
    ]
  const names = members.map(({ point }) => point).join(', ')
  const enrolled: ChecklistRow = { name: 'members-enrolled', outcome: 'ok', seen: names.slice(0, 300) }
  if (late.length === 0) return [enrolled]
  const seen = late.map(({ point, behindMs }) => `${point} ${formatSpan(behindMs)} behind`).join(', ')
  return [enrolled, { name: 'members-current', outcome: 'fail', seen, next: '`qip fleet`', runbook }]
}

/** Whether one point may die. Threads of one gateway (`edge-1`, `edge-1-1`) die together. */
export async function scaleRows(
  asking: Asking,
  config: Config | undefined,
): Promise<readonly ChecklistRow[]> {
  const verifying = (await membersOf(asking)).filter(({ kind }) => kind !== 'mirror')
  const names = new Set(verifying.map(({ point }) => point))
  const processes = [...names].filter(
    (point) => !names.has(point.replace(/-\d+$/, '')) || !/-\d+$/.test(point),
  )
  const scaled: ChecklistRow =
    processes.length >= 2
      ? { name: 'points-redundant', outcome: 'ok', seen: `${processes.length} enforcement points` }
      : {
          name: 'points-redundant',
          outcome: 'fail',
          seen: `${plural(processes.length, 'enforcement point', 'enforcement points')}: where it dies, its services are away`,
          next: 'two or more behind a load balancer; with one-time tokens they share `replay.redis`',
          runbook: 'docs/runbooks/verifier-overload.md',
        }
  const services = config?.services ?? []
  if (services.length === 0) return [scaled]
  const untold = services.every(({ tier }) => tier === 'standard')
  return [
    scaled,
    untold
      ? {
          name: 'shedding-ordered',
          outcome: 'warn',
          seen: 'load is shed, and all services are of one tier: nothing gives way first',
          next: '`services: [{ id, tier: critical | standard | low }]`: docs/guides/overload-and-sampling.md',
        }
      : { name: 'shedding-ordered', outcome: 'ok', seen: 'load is shed by tier, the lowest first' },
  ]
}

/** Who keeps the ledger besides the authority, and how far each one is. */
export async function replicaRows(
  asking: Asking,
  config: Config | undefined,
): Promise<readonly ChecklistRow[]> {
  const name = 'ledger-replicated'
  const runbook = 'docs/runbooks/ledger-outage.md'
  const mirrors = (await membersOf(asking)).filter(({ kind }) => kind === 'mirror')
  const witnesses = config?.trust.witnesses.vkeys.length ?? 0
  const witnessed = witnesses === 0 ? 'no witnesses are demanded here' : `${witnesses} witnesses may cosign`
  if (mirrors.length === 0)
    return [
      {
        name,
        outcome: 'warn',
        seen: `no mirror follows; ${witnessed}: without the authority, builds that are new to a gateway are refused`,
        next: '`qip ledger mirror`, and `trust.mirrors` of the gateways: docs/guides/mirror-and-witness.md',
        runbook,
      },
    ]
  const each = mirrors.map(
    ({ point, behindMs }) => `${point} ${behindMs > 0 ? `${formatSpan(behindMs)} behind` : 'newest'}`,
  )
  const isLate = mirrors.some(({ behindMs }) => behindMs > lateMs)
  const seen = `${each.join(', ')}; ${witnessed}`
  return [isLate ? { name, outcome: 'warn', seen, runbook } : { name, outcome: 'ok', seen }]
}
