import { errorBudgets, latencyBars } from '../service-levels.ts'
import type { RowSpec } from './panels.ts'

const where = 'service=~"$service",region=~"$region"'
const toDebug = {
  title: 'Debug: this service',
  url: '/d/quantum-ip-debug?var-service=${__field.labels.service}&${__url_time_range}',
}

/** What somebody sees who was just woken: what fires, how slow it is, what is refused and where tokens get lost. */
export const onCall: readonly RowSpec[] = [
  {
    title: 'Now',
    panels: [
      {
        title: 'Alerts',
        description: 'What fires. The root cause names the runbook: the list of alerts leads there.',
        kind: 'table',
        queries: [
          {
            expr: 'sum by (alertname, severity, root_cause, service, owner, instance) (ALERTS{alertname=~"QuantumIp.+",alertstate="firing"})',
            legend: '{{alertname}}',
          },
        ],
        width: 12,
        links: [{ title: 'What it means, and its runbook', url: '${runbooks}/../reference/alerts.md' }],
      },
      {
        title: 'Latency of verifications',
        description:
          'p95 and p99 of each enforcement point. The requirement’s bar is 50 ms; ours is 1 ms. Dots lead to traces.',
        kind: 'trend',
        queries: [
          {
            expr: 'histogram_quantile(0.95, sum by (enforcement_point, le) (rate(quantum_ip_verification_duration_seconds_bucket[$__rate_interval])))',
            legend: 'p95 {{enforcement_point}}',
            exemplars: true,
          },
          {
            expr: 'quantum_ip:verification_duration:p99_5m',
            legend: 'p99 {{enforcement_point}}',
          },
        ],
        unit: 's',
        width: 12,
        bad: { from: latencyBars.verification },
        links: [{ title: 'Runbook', url: '${runbooks}/verifier-overload.md' }],
      },
    ],
  },
  {
    title: 'Refusals',
    panels: [
      {
        title: 'Reasons',
        description: 'Verifications that failed, those of strangers included. A click leads to their traces.',
        kind: 'trend',
        queries: [
          {
            expr: `topk(10, sum by (reason) (rate(quantum_ip_verifications_total{status!="verified",${where}}[$__rate_interval])) > 0)`,
            legend: '{{reason}}',
          },
        ],
        unit: 'reqps',
        width: 12,
        links: [
          {
            title: 'Debug: this reason',
            url: '/d/quantum-ip-debug?var-reason=${__field.labels.reason}&${__url_time_range}',
          },
        ],
      },
      {
        title: 'Recent refusals by service and reason',
        description:
          'What enforcing policies refused in a quarter of an hour. `qip decisions --reason …` lists them one by one.',
        kind: 'table',
        queries: [
          {
            expr: `topk(20, sum by (service, reason, policy) (increase(quantum_ip_decisions_total{action="reject",mode=~"canary|enforce",${where}}[15m])) > 0)`,
            legend: '{{service}} {{reason}}',
          },
        ],
        width: 12,
        links: [toDebug],
      },
      {
        title: 'Pace at which error budgets burn',
        description:
          '1 uses the budget up in 30 days. 14.4 over an hour is a page at a critical service, 2 for an hour escalates.',
        kind: 'trend',
        queries: [
          {
            expr: `quantum_ip:verification_error_ratio:rate1h{service=~"$service"} / ${errorBudgets.verification}`,
            legend: '1 h {{service}}',
          },
          {
            expr: `quantum_ip:verification_error_ratio:rate6h{service=~"$service"} / ${errorBudgets.verification}`,
            legend: '6 h {{service}}',
          },
        ],
        width: 12,
        bad: { from: 14.4 },
        links: [toDebug],
      },
      {
        title: 'Root causes',
        description: 'Failures of enforced services by root cause. `qip window list` says what is left out.',
        kind: 'trend',
        queries: [
          {
            expr: 'sum by (root_cause) (quantum_ip:verification_errors:rate5m{service=~"$service"})',
            legend: '{{root_cause}}',
          },
        ],
        unit: 'reqps',
        width: 12,
      },
    ],
  },
  {
    title: 'Tokens on the way',
    panels: [
      {
        title: 'Missing tokens by ingress and region',
        description:
          'Share of requests without a whole token: absent, stripped or cut. One point that differs has a wrong proxy before it.',
        kind: 'trend',
        queries: [
          {
            expr: `sum by (enforcement_point, region) (rate(quantum_ip_verifications_total{status="missing",${where}}[$__rate_interval])) / sum by (enforcement_point, region) (rate(quantum_ip_verifications_total{${where}}[$__rate_interval]))`,
            legend: '{{enforcement_point}} {{region}}',
          },
        ],
        unit: 'percentunit',
        width: 12,
        bad: { from: errorBudgets.missing },
        links: [{ title: 'Runbook', url: '${runbooks}/header-loss.md' }],
      },
      {
        title: 'Stripped and cut, by ingress and region',
        description: 'Tokens that were attached, and did not arrive whole.',
        kind: 'trend',
        queries: [
          {
            expr: `sum by (enforcement_point, region, reason) (rate(quantum_ip_verifications_total{reason=~"token_stripped|token_truncated",${where}}[$__rate_interval]))`,
            legend: '{{enforcement_point}} {{region}} {{reason}}',
          },
        ],
        unit: 'reqps',
        width: 12,
        links: [{ title: 'Runbook', url: '${runbooks}/header-loss.md' }],
      },
    ],
  },
  {
    title: 'What everything rests on',
    panels: [
      {
        title: 'Age of the signed state',
        description: 'At `trust.staleAfter`, 5 minutes by default, a point refuses everything.',
        kind: 'trend',
        queries: [
          { expr: 'max by (instance) (quantum_ip_trust_snapshot_age_seconds)', legend: '{{instance}}' },
        ],
        unit: 's',
        width: 8,
        bad: { from: 60 },
        links: [{ title: 'Runbook', url: '${runbooks}/stale-trust.md' }],
      },
      {
        title: 'Shed',
        description: 'Requests a second that were answered with 503, by cause.',
        kind: 'trend',
        queries: [
          {
            expr: 'sum by (cause) (rate(quantum_ip_requests_shed_total{service=~"$service"}[$__rate_interval]))',
            legend: '{{cause}}',
          },
        ],
        unit: 'reqps',
        width: 8,
        links: [{ title: 'Runbook', url: '${runbooks}/verifier-overload.md' }],
      },
      {
        title: 'Clocks',
        description: 'How far each is ahead of the signed time. At 30 s good tokens are refused.',
        kind: 'trend',
        queries: [{ expr: 'max by (instance) (quantum_ip_clock_offset_seconds)', legend: '{{instance}}' }],
        unit: 's',
        width: 8,
        bad: { from: 10 },
        links: [{ title: 'Runbook', url: '${runbooks}/clock-skew.md' }],
      },
      {
        title: 'Processes',
        description: '1: it answers.',
        kind: 'trend',
        queries: [{ expr: 'up{job=~"quantum-ip-.+"}', legend: '{{job}} {{instance}}' }],
        width: 8,
        bad: { below: 1 },
        links: [{ title: 'Runbook', url: '${runbooks}/target-down.md' }],
      },
      {
        title: 'Declared windows',
        description: '1: alerts of the service are silent; `other` is all services.',
        kind: 'trend',
        queries: [
          {
            expr: 'max by (service, window_kind) (quantum_ip_window_open)',
            legend: '{{window_kind}} {{service}}',
          },
        ],
        width: 8,
      },
      {
        title: 'Versions of policies',
        description: 'Points that differ for long are behind; `qip policy status` names them.',
        kind: 'trend',
        queries: [
          {
            expr: 'max by (policy, instance) (quantum_ip_policy_version)',
            legend: '{{policy}} {{instance}}',
          },
        ],
        width: 8,
        links: [{ title: 'Runbook', url: '${runbooks}/policy-drift.md' }],
      },
    ],
  },
]
