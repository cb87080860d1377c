// Recording rules: who is enforced, what is silenced, and the service levels M1 to M10.
import { reasonsByCause, unattributable } from './root-causes.ts'
import { spans } from './service-levels.ts'

/** A recording rule as Prometheus reads it. */
export interface RecordingRule {
  readonly record: string
  readonly expr: string
  readonly labels?: Readonly<Record<string, string>>
}

/** Rules that are evaluated one after the other. */
export interface RecordingGroup {
  readonly name: string
  readonly rules: readonly RecordingRule[]
}

const noise = unattributable.join('|')

/** Joins an alert's services with their owner and tier, and drops those that are not enforced. */
export const withOwner = '* on (service) group_left (owner, tier) quantum_ip:service:info'

// A window's end is followed by five minutes in which rates still hold what happened in it. Where the authority is
// what is maintained, nobody says that the window is open: what was said last counts for an hour.
function windowOpen(selector: string): string {
  const series = `quantum_ip_window_open{${selector}}`
  return `(max by (service) (max_over_time(${series}[5m])) == 1 or max by (service) (last_over_time(${series}[1h])) == 1)`
}

function windows(kind: 'maintenance' | 'rotation'): readonly RecordingRule[] {
  const forAll = `quantum_ip:${kind}:all`
  const own = windowOpen(`service!="other",window_kind="${kind}"`)
  return [
    { record: forAll, expr: `max(${windowOpen(`service="other",window_kind="${kind}"`)})` },
    {
      record: `quantum_ip:service:${kind}`,
      expr: `${own} or on (service) (max by (service) (quantum_ip:service:info) and on () ${forAll})`,
    },
  ]
}

const services: RecordingGroup = {
  name: 'quantum-ip-services',
  rules: [
    // Processes whose configurations differ for a moment say different things of one service; a join takes one.
    {
      record: 'quantum_ip:service:info',
      expr: 'topk by (service) (1, max by (service, owner, tier) (quantum_ip_service_info{stage="enforced"}))',
    },
    ...windows('maintenance'),
    ...windows('rotation'),
    {
      record: 'quantum_ip:point_service:info',
      expr: `group by (enforcement_point, service) (quantum_ip_verifications_total) ${withOwner}`,
    },
    // Of an enforcement point: the tier of the most important enforced service behind it.
    {
      record: 'quantum_ip:point:info',
      expr: [
        'group by (enforcement_point, tier) (quantum_ip:point_service:info{tier="critical"})',
        'or on (enforcement_point) topk by (enforcement_point) (1, group by (enforcement_point, tier) (quantum_ip:point_service:info))',
      ].join('\n'),
    },
  ],
}

/** Counts that a window leaves out: what happens in it burns no budget, in it or later. */
function counted(expr: string, cause: string): string {
  const enforced = `${expr}\nand on (service) quantum_ip:service:info\nunless on (service) quantum_ip:service:maintenance`
  return cause === 'key_rotation' ? `${enforced}\nunless on (service) quantum_ip:service:rotation` : enforced
}

const byCause: readonly RecordingRule[] = [
  ...[...reasonsByCause((reason) => !reason.startsWith('ok') && !unattributable.includes(reason))].map(
    ([root_cause, reasons]) => ({
      record: 'quantum_ip:verification_errors:rate5m',
      labels: { root_cause },
      expr: counted(
        `sum by (service) (rate(quantum_ip_verifications_total{reason=~"${reasons}"}[5m]))`,
        root_cause,
      ),
    }),
  ),
  ...[...reasonsByCause((reason) => !unattributable.includes(reason))].map(([root_cause, reasons]) => ({
    record: 'quantum_ip:rejections:rate5m',
    labels: { root_cause },
    expr: counted(
      `sum by (service) (rate(quantum_ip_decisions_total{action="reject",mode=~"canary|enforce",reason=~"${reasons}"}[5m]))`,
      root_cause,
    ),
  })),
]

function ratioOver(errors: string, span: string): string {
  if (span === '5m') return `sum by (service) (${errors}) / on (service) quantum_ip:verifications:rate5m`
  return `sum by (service) (sum_over_time(${errors}[${span}])) / on (service) sum_over_time(quantum_ip:verifications:rate5m[${span}])`
}

const levels: RecordingGroup = {
  name: 'quantum-ip-service-levels',
  rules: [
    {
      record: 'quantum_ip:verifications:rate5m',
      expr: counted(`sum by (service) (rate(quantum_ip_verifications_total{reason!~"${noise}"}[5m]))`, ''),
    },
    {
      record: 'quantum_ip:unattributed:rate5m',
      expr: counted(`sum by (service) (rate(quantum_ip_verifications_total{reason=~"${noise}"}[5m]))`, ''),
    },
    ...byCause,
    ...spans.map((span) => ({
      record: `quantum_ip:verification_error_ratio:rate${span}`,
      expr: ratioOver('quantum_ip:verification_errors:rate5m', span),
    })),
    ...spans.map((span) => ({
      record: `quantum_ip:rejection_ratio:rate${span}`,
      expr: ratioOver('quantum_ip:rejections:rate5m', span),
    })),
    {
      record: 'quantum_ip:missing_token_ratio:rate5m',
      expr: 'sum by (service) (quantum_ip:verification_errors:rate5m{root_cause="header_stripping"}) / on (service) quantum_ip:verifications:rate5m',
    },
    {
      record: 'quantum_ip:unattributed_ratio:rate5m',
      expr: 'quantum_ip:unattributed:rate5m / on (service) (quantum_ip:unattributed:rate5m + on (service) quantum_ip:verifications:rate5m)',
    },
    {
      record: 'quantum_ip:unattributed_ratio:rate1d',
      expr: 'sum_over_time(quantum_ip:unattributed:rate5m[1d]) / on (service) (sum_over_time(quantum_ip:unattributed:rate5m[1d]) + on (service) sum_over_time(quantum_ip:verifications:rate5m[1d]))',
    },
    {
      record: 'quantum_ip:rejection_cause_ratio:rate5m',
      expr: 'quantum_ip:rejections:rate5m / on (service) group_left () quantum_ip:verifications:rate5m',
    },
    {
      record: 'quantum_ip:rejection_cause_ratio:rate1d',
      expr: 'sum_over_time(quantum_ip:rejections:rate5m[1d]) / on (service) group_left () sum_over_time(quantum_ip:verifications:rate5m[1d])',
    },
    // The one root cause of a service's failures of the last hour: what its alerts are grouped by. Always 1.
    {
      record: 'quantum_ip:verification_root_cause:top1h',
      expr: 'clamp(topk by (service) (1, sum_over_time(quantum_ip:verification_errors:rate5m[1h]) > 0), 1, 1)',
    },
    {
      record: 'quantum_ip:rejection_root_cause:top1h',
      expr: 'clamp(topk by (service) (1, sum_over_time(quantum_ip:rejections:rate5m[1h]) > 0), 1, 1)',
    },
  ],
}

function quantiles(record: string, metric: string, by: string): readonly RecordingRule[] {
  return [95, 99].map((percent) => ({
    record: `quantum_ip:${record}:p${percent}_5m`,
    expr: `histogram_quantile(0.${percent}, sum by (${by}, le) (rate(quantum_ip_${metric}_bucket[5m])))`,
  }))
}

const processes: RecordingGroup = {
  name: 'quantum-ip-processes',
  rules: [
    ...quantiles('verification_duration', 'verification_duration_seconds', 'enforcement_point'),
    ...quantiles('ledger_lookup_duration', 'ledger_lookup_duration_seconds', 'source'),
    // M5 by what verifications met: a check that is stale found the attestation past its freshness limit.
    {
      record: 'quantum_ip:attestations_stale_ratio:rate1h',
      expr: 'sum(rate(quantum_ip_deep_checks_total{outcome="stale"}[1h])) / sum(rate(quantum_ip_deep_checks_total{outcome=~"passed|failed|stale|unavailable"}[1h]))',
    },
    {
      record: 'quantum_ip:fleet_current_ratio:now',
      expr: 'max(quantum_ip_fleet_members_current) / (max(quantum_ip_fleet_members) > 0)',
    },
    {
      record: 'quantum_ip:crypto_cpu:rate5m',
      expr: 'sum by (instance, operation, scheme) (rate(quantum_ip_crypto_cpu_seconds_total[5m]))',
    },
    {
      record: 'quantum_ip:false_positive_ratio:rate1d',
      expr: 'sum(increase(quantum_ip_adjudications_total{outcome="false_positive"}[1d])) / sum(increase(quantum_ip_decisions_total{action=~"reject|quarantine",mode=~"canary|enforce"}[1d]))',
    },
    {
      record: 'quantum_ip:shed_ratio:rate5m',
      expr: 'sum by (service) (rate(quantum_ip_requests_shed_total[5m])) / on (service) sum by (service) (rate(quantum_ip_verifications_total[5m]))\nunless on (service) quantum_ip:service:maintenance',
    },
  ],
}

/** All groups, in the order in which they need each other. */
export const recordingGroups: readonly RecordingGroup[] = [services, levels, processes]
