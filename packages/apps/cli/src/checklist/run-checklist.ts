import type { AskedAuthority } from '../lib/authority.ts'
import { lookAtAuthority } from '../doctor/authority-checks.ts'
import { Asking, rowsOf } from './ask.ts'
import { memberRows, replicaRows, scaleRows } from './fleet-rows.ts'
import {
  changeRows,
  declaredRows,
  type IncidentScope,
  incidentScope,
  messageDraft,
  ownersOf,
} from './incident-rows.ts'
import { custodyRows, keyRows, rotationRows, scheduleRows } from './key-rows.ts'
import { metricsRows, prometheusRows } from './observability-rows.ts'
import { backupRows, eventRows, ownerRows, trafficRows } from './operation-rows.ts'
import { policyChangeRows, policyRows } from './policy-rows.ts'
import { askPeople, type ChecklistItem } from './row.ts'
import { attestationRows, demandRows } from './supply-rows.ts'

/** The checklists, by name. */
export const checklistNames = ['pre-production', 'production', 'incident'] as const

/** The name of a checklist. */
export type ChecklistName = (typeof checklistNames)[number]

/** What checklists are answered from. */
export interface ChecklistOptions {
  readonly asked: AskedAuthority
  readonly nowMs: number
  /** Prometheus, for what only it knows. */
  readonly prometheus?: string
}

/** A checklist that was gone through, and for an incident what to tell others. */
export interface Checklist {
  readonly items: readonly ChecklistItem[]
  readonly draft?: string
}

/** Goes through a checklist: what a machine can answer is answered, everything else is asked and never ticked. */
export async function runChecklist(name: ChecklistName, options: ChecklistOptions): Promise<Checklist> {
  if (name === 'incident') return incident(options)
  return { items: await (name === 'production' ? production(options) : preProduction(options)) }
}

async function preProduction({
  asked,
  nowMs,
  prometheus,
}: ChecklistOptions): Promise<readonly ChecklistItem[]> {
  const { requester, config } = asked
  const asking = new Asking(requester)
  return [
    {
      item: 'Post-quantum key lifecycle plan in KMS',
      rows: [
        ...(await rowsOf('keys-ready', () => keyRows(asking))),
        ...custodyRows(config),
        ...scheduleRows(config),
        askPeople(
          'root-keys',
          'Are the root keys offline, with two custodians, and was the ceremony rehearsed? (docs/guides/root-ceremony.md)',
        ),
      ],
    },
    {
      item: 'CI signs artifacts and stores attestations',
      rows: [
        ...(await rowsOf('attestations-fresh', () => attestationRows(asking, requester, nowMs))),
        ...demandRows(config),
        askPeople(
          'ci-signs-all',
          'Does every pipeline that deploys here sign, and does a failed step stop the release?',
        ),
      ],
    },
    {
      item: 'Verification libraries integrated and tested',
      rows: [
        ...(await rowsOf('members-enrolled', () => memberRows(asking))),
        ...(await rowsOf('service-verified', () => trafficRows(asking, nowMs))),
        askPeople('path-probed', 'Did `qip doctor <url>` pass for each service, from where its clients are?'),
      ],
    },
    {
      item: 'Observability for verification metrics in staging',
      rows: [
        ...(await rowsOf('metrics-served', () => metricsRows(requester))),
        ...(await prometheusRows(prometheus)),
        askPeople('dashboards-read', 'Does somebody look at the dashboards, and know what is usual?'),
      ],
    },
  ]
}

async function production({ asked, nowMs, prometheus }: ChecklistOptions): Promise<readonly ChecklistItem[]> {
  const { requester, config } = asked
  const asking = new Asking(requester)
  return [
    {
      item: 'Verification service scaled and autoscaled',
      rows: [
        ...(await rowsOf('points-redundant', () => scaleRows(asking, config))),
        ...(await rowsOf('members-current', () => memberRows(asking))),
        askPeople(
          'autoscaled',
          'What adds gateways under load, and was it tried with the load of the busiest day?',
        ),
      ],
    },
    {
      item: 'Key rotation automated and tested',
      rows: [
        ...(await rowsOf('keys-ready', () => keyRows(asking))),
        ...scheduleRows(config),
        ...(await rowsOf('rotation-works', () => rotationRows(asking, nowMs))),
        ...(await rowsOf('events-closed', () => eventRows(asking))),
      ],
    },
    {
      item: 'Policies set and tested via canary',
      rows: [
        ...(await rowsOf('policies-rolled-out', () => policyRows(asking))),
        ...(await rowsOf('service-verified', () => trafficRows(asking, nowMs))),
        askPeople(
          'canary',
          'Did each policy go through monitor and canary, with its table of tests in CI (`qip policy test`)?',
        ),
      ],
    },
    {
      item: 'Runbooks available and on-call trained',
      rows: [
        ...(await rowsOf('services-owned', () => ownerRows(asking))),
        ...(await prometheusRows(prometheus)),
        ...(await rowsOf('backup-recent', () => backupRows(asking, nowMs))),
        ...(await rowsOf('ledger-replicated', () => replicaRows(asking, config))),
        askPeople(
          'backup-verified',
          'Was the newest backup verified (`qip backup verify`), and restored once in an exercise?',
        ),
        askPeople(
          'on-call',
          'Who is on call tonight, can they read docs/runbooks, and when was the last `qip gameday`?',
        ),
      ],
    },
  ]
}

async function incident({ asked, nowMs }: ChecklistOptions): Promise<Checklist> {
  const { requester, config } = asked
  const asking = new Asking(requester)
  const found: { scope?: IncidentScope } = {}
  const scopeRows = await rowsOf('scope', async () => {
    found.scope = await incidentScope(asking, nowMs)
    return found.scope.rows
  })
  const owners = await ownersOf(asking, found.scope?.services ?? []).catch(() => [])
  const authority = await lookAtAuthority(asked)
  const draft = found.scope && messageDraft(found.scope, { owners, nowMs })
  const told = owners.length === 0 ? 'the owners of the services' : owners.join(', ')
  return {
    ...(draft !== undefined && { draft }),
    items: [
      {
        item: 'Identify scope: affected services and regions',
        rows: [...scopeRows, ...(await rowsOf('incident-declared', () => declaredRows(asking)))],
      },
      {
        item: 'Check key rotation logs and KMS status',
        rows: [
          ...(await rowsOf('rotation-works', () => rotationRows(asking, nowMs))),
          ...(await rowsOf('keys-ready', () => keyRows(asking))),
          ...(await rowsOf('events-closed', () => eventRows(asking))),
        ],
      },
      {
        item: 'Verify ledger availability and replication status',
        rows: [
          ...authority.checks,
          ...(await rowsOf('ledger-replicated', () => replicaRows(asking, config))),
          ...(await rowsOf('members-current', () => memberRows(asking))),
        ],
      },
      {
        item: 'Roll back policy changes if a deployment caused failures',
        rows: [
          ...(await rowsOf('policy-changes', () => policyChangeRows(asking, nowMs))),
          ...(await rowsOf('changes', () => changeRows(asking, nowMs))),
          askPeople(
            'deployments',
            'Which deployments of clients, proxies and policy files came just before? The system does not see them.',
          ),
        ],
      },
      {
        item: 'Communicate to stakeholders with mitigation steps',
        rows: [
          askPeople('stakeholders', `Who has told ${told}, and when is the next word? A draft is below.`),
        ],
      },
    ],
  }
}
