import { errorBudgets } from '../service-levels.ts'
import type { RowSpec } from './panels.ts'

const toOnCall = {
  title: 'On call: this service',
  url: '/d/quantum-ip-on-call?var-service=${__field.labels.service}&${__url_time_range}',
}
const refusals = 'quantum_ip:rejections:rate5m{service=~"$service"}'
const attributed = 'quantum_ip:verifications:rate5m{service=~"$service"}'

/** What the business relies on: whether calls are verified, whom refusals hit, and in which shape the keys are. */
export const executive: readonly RowSpec[] = [
  {
    title: 'Assurance',
    panels: [
      {
        title: 'Verification success',
        description: 'Of attributable requests to enforced services. The level is 99 %.',
        kind: 'number',
        queries: [
          {
            expr: `1 - sum(quantum_ip:verification_errors:rate5m{service=~"$service"}) / sum(${attributed})`,
            legend: 'now',
          },
        ],
        unit: 'percentunit',
        width: 6,
        bad: { below: 1 - errorBudgets.verification },
      },
      {
        title: 'Error budget that three days used',
        description:
          'Share of what may fail, at the pace of the last three days. Above 1 it does not last 30 days.',
        kind: 'number',
        queries: [
          {
            expr: `max(quantum_ip:verification_error_ratio:rate3d{service=~"$service"}) / ${errorBudgets.verification}`,
            legend: 'worst service',
          },
        ],
        width: 6,
        bad: { from: 1 },
      },
      {
        title: 'Verification success by service',
        description: 'Over an hour. A click leads to what the on-call sees of it.',
        kind: 'trend',
        queries: [
          {
            expr: '1 - quantum_ip:verification_error_ratio:rate1h{service=~"$service"}',
            legend: '{{service}}',
          },
        ],
        unit: 'percentunit',
        width: 12,
        bad: { below: 1 - errorBudgets.verification },
        links: [toOnCall],
      },
    ],
  },
  {
    title: 'Refusals, and whom they hit',
    panels: [
      {
        title: 'Requests refused in the last hour',
        description:
          'Of enforced services, by how much depends on them. What strangers send without a token is not among them.',
        kind: 'number',
        queries: [
          {
            expr: '3600 * sum by (tier) (avg_over_time(quantum_ip:rejections:rate5m{service=~"$service"}[1h]) * on (service) group_left (tier) quantum_ip:service:info)',
            legend: '{{tier}}',
          },
        ],
        width: 6,
      },
      {
        title: 'Share refused',
        description: 'Of the attributable requests. The level is 0.5 %.',
        kind: 'number',
        queries: [{ expr: `(sum(${refusals}) or vector(0)) / sum(${attributed})`, legend: 'now' }],
        unit: 'percentunit',
        width: 6,
        bad: { from: errorBudgets.rejection },
      },
      {
        title: 'Refusals by owner',
        description: 'Requests a second that somebody’s customers did not get an answer to.',
        kind: 'trend',
        queries: [
          {
            expr: `sum by (owner, service) (${refusals} * on (service) group_left (owner) quantum_ip:service:info)`,
            legend: '{{owner}}: {{service}}',
          },
        ],
        unit: 'reqps',
        width: 12,
        links: [toOnCall],
      },
    ],
  },
  {
    title: 'Keys and posture',
    panels: [
      {
        title: 'Fleet with the newest keys',
        description: 'The level is 100 %, once a rotation’s window is over.',
        kind: 'number',
        queries: [{ expr: 'quantum_ip:fleet_current_ratio:now', legend: 'current' }],
        unit: 'percentunit',
        width: 6,
        bad: { below: 1 },
        links: [{ title: 'Runbook', url: '${runbooks}/rotation-failure.md' }],
      },
      {
        title: 'Keys in each state',
        description: 'Of each use one key is active and one is published ahead.',
        kind: 'table',
        queries: [{ expr: 'max by (key, state) (quantum_ip_key_state) > 0', legend: '{{key}} {{state}}' }],
        width: 6,
      },
      {
        title: 'Services in each stage',
        description: 'Only enforced ones are protected; the others are watched.',
        kind: 'number',
        queries: [
          {
            expr: 'count by (stage) (topk by (service) (1, max by (service, stage) (quantum_ip_service_info)))',
            legend: '{{stage}}',
          },
        ],
        width: 6,
      },
      {
        title: 'Open incidents',
        description: '`qip incident list` names them.',
        kind: 'number',
        queries: [{ expr: 'max by (severity) (quantum_ip_incident_open)', legend: '{{severity}}' }],
        width: 6,
        bad: { from: 1 },
      },
      {
        title: 'Fresh attestations',
        description:
          'Share that deep checks found within its freshness limit, over an hour. The level is 99 %.',
        kind: 'number',
        queries: [
          {
            expr: '1 - quantum_ip:attestations_stale_ratio:rate1h',
            legend: 'fresh',
            emptyBecause: 'there are deep checks only where tokens name attestations',
          },
        ],
        unit: 'percentunit',
        width: 6,
        bad: { below: 1 - errorBudgets.freshness },
        links: [{ title: 'Runbook', url: '${runbooks}/attestation-freshness.md' }],
      },
      {
        title: 'Refusals that were wrong',
        description: 'Of a day’s refusals, as operators judged them. The level is 0.1 %.',
        kind: 'number',
        queries: [{ expr: 'quantum_ip:false_positive_ratio:rate1d', legend: 'wrong' }],
        unit: 'percentunit',
        width: 6,
        bad: { from: errorBudgets.falsePositives },
        links: [{ title: 'Runbook', url: '${runbooks}/false-positives.md' }],
      },
      {
        title: 'Requests that pass because configuration says so',
        description:
          'By what it says. Monitor and canary are the way to enforcement; the rest is for outages.',
        kind: 'trend',
        queries: [
          { expr: 'sum by (kind) (rate(quantum_ip_fail_open_total[$__rate_interval]))', legend: '{{kind}}' },
        ],
        unit: 'reqps',
        width: 12,
        links: [{ title: 'Runbook', url: '${runbooks}/fail-open.md' }],
      },
    ],
  },
]
