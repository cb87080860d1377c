// Every alert: when it fires, whom it wakes, what it is about, and where its runbook is.
import type { BurnPair } from '@quantum-ip/telemetry'
import { withOwner } from './recording-rules.ts'
import type { RootCause } from './root-causes.ts'
import {
  errorBudgets,
  escalation,
  fastBurn,
  latencyBars,
  leastFailuresPerHour,
  samplingRange,
  slowBurn,
} from './service-levels.ts'

/** One alert. */
export interface AlertRow {
  /** `by_tier`: a page where a critical service is concerned, else a ticket. A label of the series may choose, too. */
  readonly severity:
    | 'page'
    | 'ticket'
    | 'by_tier'
    | { readonly pageWhere: string; readonly is: readonly string[] }
  /** `by_reason`: the series carries it, after the reasons of what failed. */
  readonly rootCause:
    | RootCause
    | 'by_reason'
    | { readonly label: string; readonly of: Readonly<Record<string, RootCause>> }
  /** A symptom is not told where its cause is. */
  readonly signal: 'cause' | 'symptom'
  /** What is silent: nothing, alerts of services in a window (by the recording rules), or all while everything is maintained. */
  readonly silent: 'never' | 'by_service' | 'with_everything'
  readonly expr: string
  readonly for: string
  /** In `docs/runbooks`; absent: that of the root cause. */
  readonly runbook?: string
  readonly summary: string
  readonly description: string
}

const service = '{{ $labels.service }}'
const percent = '{{ $value | humanizePercentage }}'

function burns(ratio: string, pairs: readonly BurnPair[], budget: number): string {
  const terms = pairs.map(({ long, short, times }) => {
    const bound = `${times} * ${budget}`
    return `(${ratio}:rate${long} > ${bound} and on (service) ${ratio}:rate${short} > ${bound})`
  })
  return `(${terms.join(' or ')})`
}

// A service that is hardly called burns a budget with one failure.
function enough(errors: string): string {
  return `and on (service) 3600 * sum by (service) (avg_over_time(${errors}:rate5m[1h])) > ${leastFailuresPerHour}`
}

// An authority's process shows what an enforcement point would, at zero. Only a point holds a state that has an age.
const ofPoints = 'and on (instance) quantum_ip_trust_snapshot_age_seconds > 0'

const verificationBurn = (pairs: readonly BurnPair[]): string =>
  `${burns('quantum_ip:verification_error_ratio', pairs, errorBudgets.verification)} ${withOwner} * on (service) group_left (root_cause) quantum_ip:verification_root_cause:top1h ${enough('quantum_ip:verification_errors')}`

const rejectionBurn = (pairs: readonly BurnPair[]): string =>
  `${burns('quantum_ip:rejection_ratio', pairs, errorBudgets.rejection)} ${withOwner} * on (service) group_left (root_cause) quantum_ip:rejection_root_cause:top1h ${enough('quantum_ip:rejections')}`

const serviceAlerts = {
  QuantumIpRejectionsAcrossServices: {
    severity: 'page',
    rootCause: 'by_reason',
    signal: 'symptom',
    silent: 'by_service',
    // Sudden is: more than 5 %, and more than twice of what the last day had.
    expr: 'count by (root_cause) (quantum_ip:rejection_cause_ratio:rate5m > 0.05 unless quantum_ip:rejection_cause_ratio:rate5m <= 2 * (quantum_ip:rejection_cause_ratio:rate1d offset 15m)) >= 2',
    for: '2m',
    summary: '{{ $value }} services refuse requests, all of a sudden: {{ $labels.root_cause }}',
    description:
      'More than 5 % of the requests of each are refused, and more than twice as many as in the day before, for one and the same cause: look for what they share.',
  },
  QuantumIpVerificationBudgetFastBurn: {
    severity: 'by_tier',
    rootCause: 'by_reason',
    signal: 'symptom',
    silent: 'by_service',
    expr: verificationBurn(fastBurn),
    for: '2m',
    summary: `${service}: ${percent} of verifications fail ({{ $labels.root_cause }})`,
    description:
      'The error budget of 30 days (1 %) is used up at 14.4 times its pace over an hour, or at 6 times over six hours, and it goes on.',
  },
  QuantumIpVerificationBudgetSlowBurn: {
    severity: 'ticket',
    rootCause: 'by_reason',
    signal: 'symptom',
    silent: 'by_service',
    expr: verificationBurn(slowBurn),
    for: '15m',
    summary: `${service}: ${percent} of verifications fail, for long ({{ $labels.root_cause }})`,
    description:
      'The error budget of 30 days (1 %) is used up at 3 times its pace over a day, or will not last over three days.',
  },
  QuantumIpVerificationBudgetEscalation: {
    severity: 'by_tier',
    rootCause: 'by_reason',
    signal: 'symptom',
    silent: 'by_service',
    expr: verificationBurn([escalation]),
    for: '1h',
    summary: `${service}: twice the error budget is used, and it does not end ({{ $labels.root_cause }})`,
    description:
      'Verifications have failed at more than twice the pace that the error budget allows for over an hour: whoever has the ticket calls for help.',
  },
  QuantumIpRejectionBudgetBurn: {
    severity: 'by_tier',
    rootCause: 'by_reason',
    signal: 'symptom',
    silent: 'by_service',
    expr: rejectionBurn(fastBurn),
    for: '2m',
    summary: `${service}: ${percent} of requests are refused ({{ $labels.root_cause }})`,
    description:
      'Refusals use up their budget of 30 days (0.5 %) at 14.4 times its pace over an hour, or at 6 times over six hours. With the root cause `policy`, what is refused was verified.',
  },
  QuantumIpRejectionBudgetSlowBurn: {
    severity: 'ticket',
    rootCause: 'by_reason',
    signal: 'symptom',
    silent: 'by_service',
    expr: rejectionBurn(slowBurn),
    for: '15m',
    summary: `${service}: ${percent} of requests are refused, for long ({{ $labels.root_cause }})`,
    description:
      'Refusals use up their budget of 30 days (0.5 %) at 3 times its pace over a day, or over three days.',
  },
  QuantumIpMissingTokens: {
    severity: 'ticket',
    rootCause: 'missing_tokens',
    signal: 'cause',
    silent: 'by_service',
    expr: `(quantum_ip:unattributed_ratio:rate5m > ${errorBudgets.missing} unless quantum_ip:unattributed_ratio:rate5m <= 2 * (quantum_ip:unattributed_ratio:rate1d offset 15m)) ${withOwner}`,
    for: '15m',
    summary: `${service}: ${percent} of requests bring no token, more than twice of what is usual`,
    description:
      'A caller that forgot its token cannot be told from a stranger, so this is no service level. An increase is a client that was deployed without tokens, or a proxy that takes both fields off.',
  },
  QuantumIpStrippedTokens: {
    severity: 'by_tier',
    rootCause: 'header_stripping',
    signal: 'cause',
    silent: 'by_service',
    expr: `(quantum_ip:missing_token_ratio:rate5m > ${errorBudgets.missing}) ${withOwner} ${enough('quantum_ip:verification_errors')}`,
    for: '2m',
    summary: `${service}: something on the way takes off or cuts ${percent} of the tokens`,
    description:
      'The tracestate hint says that a token was attached, or the field ends in the middle of one. Callers and gateways are well: it is a proxy between them. The on-call dashboard says at which enforcement point and in which region.',
  },
  QuantumIpReplayedTokens: {
    severity: 'ticket',
    rootCause: 'replay',
    signal: 'cause',
    silent: 'by_service',
    expr: `(300 * sum by (service) (quantum_ip:verification_errors:rate5m{root_cause="replay"}) > 10) ${withOwner}`,
    for: '5m',
    summary: `${service}: {{ $value | humanize }} one-time tokens came again within five minutes`,
    description:
      'A client or proxy that repeats requests with the same token, or somebody who got hold of tokens.',
  },
  QuantumIpShedding: {
    severity: 'by_tier',
    rootCause: 'overload',
    signal: 'cause',
    silent: 'by_service',
    expr: `(quantum_ip:shed_ratio:rate5m > 0.01) ${withOwner}`,
    for: '5m',
    summary: `${service}: ${percent} of requests are answered with 503, to spare the rest`,
    description:
      'Load is shed by tier, the lowest first; a critical service is shed only where it is itself what is too much.',
  },
} as const satisfies Record<string, AlertRow>

const pointAlerts = {
  QuantumIpLatencyHigh: {
    severity: 'by_tier',
    rootCause: 'overload',
    signal: 'symptom',
    silent: 'with_everything',
    expr: `(quantum_ip:verification_duration:p95_5m > ${latencyBars.verification}) * on (enforcement_point) group_left (tier) quantum_ip:point:info`,
    for: '10m',
    runbook: 'verifier-overload.md',
    summary: '{{ $labels.enforcement_point }}: verifications take {{ $value | humanizeDuration }} (p95)',
    description:
      'The bar is 50 ms. Load, signatures that are not cached, or a ledger that is slow where deep checks precede the answer.',
  },
  QuantumIpTrustStale: {
    severity: 'page',
    rootCause: 'trust',
    signal: 'cause',
    silent: 'with_everything',
    expr: 'quantum_ip_trust_snapshot_age_seconds > 60',
    for: '1m',
    summary: '{{ $labels.instance }}: the signed state is {{ $value | humanizeDuration }} old',
    description:
      'A state comes every 5 s. At `trust.staleAfter` (5 minutes, unless configured otherwise) this point refuses everything: there is time until then.',
  },
  QuantumIpAttestationsStale: {
    severity: 'ticket',
    rootCause: 'attestations',
    signal: 'cause',
    silent: 'with_everything',
    expr: `quantum_ip:attestations_stale_ratio:rate1h > ${errorBudgets.freshness}`,
    for: '15m',
    summary: `${percent} of deep checks find an attestation past its freshness limit`,
    description:
      'The level is 99 % fresh. Renewal does not run, or registry and mirrors cannot be reached when it does.',
  },
  QuantumIpFleetNotCurrent: {
    severity: 'ticket',
    rootCause: 'key_rotation',
    signal: 'cause',
    silent: 'with_everything',
    expr: '(quantum_ip:fleet_current_ratio:now < 1) unless on () quantum_ip:rotation:all',
    for: '15m',
    summary: `Only ${percent} of the fleet has the newest keys`,
    description:
      'The level is 100 % once the window is over. `qip fleet` names who is behind; a rotation that is held waits for them.',
  },
  QuantumIpLedgerSlow: {
    severity: 'ticket',
    rootCause: 'ledger',
    signal: 'cause',
    silent: 'with_everything',
    expr: `quantum_ip:ledger_lookup_duration:p95_5m{source="remote"} > ${latencyBars.ledger}`,
    for: '10m',
    summary: 'Look-ups of attestations take {{ $value | humanizeDuration }} (p95)',
    description: 'The bar is 100 ms. What is cached goes on; new builds wait for it.',
  },
  QuantumIpReplayStoreUnavailable: {
    severity: 'page',
    rootCause: 'replay_store',
    signal: 'cause',
    silent: 'with_everything',
    expr: `quantum_ip_replay_store_ready == 0 ${ofPoints}`,
    for: '2m',
    summary: '{{ $labels.instance }}: the shared replay store cannot judge one-time tokens',
    description:
      'One-time tokens are refused, unless `replay.redis.onUnavailable` says otherwise. All other tokens pass.',
  },
  QuantumIpClockSkew: {
    severity: 'ticket',
    rootCause: 'clock',
    signal: 'cause',
    silent: 'with_everything',
    expr: 'abs(quantum_ip_clock_offset_seconds) > 10',
    for: '5m',
    summary: '{{ $labels.instance }}: the clock is {{ $value | humanizeDuration }} off that of the authority',
    description: 'At `trust.clockTolerance` (30 s, unless configured otherwise) good tokens are refused.',
  },
  QuantumIpTargetDown: {
    severity: 'ticket',
    rootCause: 'target_down',
    signal: 'cause',
    silent: 'with_everything',
    expr: 'up{job=~"quantum-ip-.+"} == 0',
    for: '2m',
    summary: '{{ $labels.instance }} ({{ $labels.job }}) does not answer',
    description:
      'The process is away, or Prometheus cannot reach it. While it is away, no other alert knows anything of it.',
  },
  QuantumIpAllTargetsDown: {
    severity: 'page',
    rootCause: 'target_down',
    signal: 'cause',
    silent: 'with_everything',
    expr: 'count by (job) (up{job=~"quantum-ip-.+"} == 0) == count by (job) (up{job=~"quantum-ip-.+"})',
    for: '2m',
    runbook: 'target-down.md',
    summary: 'No process of {{ $labels.job }} answers',
    description:
      'Without the authority, verifiers go on until `trust.staleAfter`; without a gateway, nothing passes.',
  },
  QuantumIpServicesUnknown: {
    severity: 'ticket',
    rootCause: 'target_down',
    signal: 'cause',
    silent: 'with_everything',
    expr: 'sum(rate(quantum_ip_verifications_total[5m])) > 0 unless on () group(quantum_ip_service_info)',
    for: '15m',
    runbook: 'target-down.md',
    summary: 'Requests are verified, and no service is declared: no alert about services can fire',
    description:
      'Alerts need `services` in the configuration, with `stage: enforced`, in what Prometheus scrapes.',
  },
  QuantumIpServicesFolded: {
    severity: 'ticket',
    rootCause: 'target_down',
    signal: 'cause',
    silent: 'with_everything',
    expr: 'max by (instance) (quantum_ip_metric_values_folded{label="service"}) > 0',
    for: '15m',
    runbook: 'target-down.md',
    summary:
      '{{ $labels.instance }}: {{ $value }} services have no series of their own, so no alert about them can fire',
    description:
      'They count as `other`, since the budget of series has no room for them: raise `telemetry.series`, or tell each gateway only of its own services.',
  },
} as const satisfies Record<string, AlertRow>

const securityAlerts = {
  QuantumIpSecurityEvent: {
    severity: { pageWhere: 'kind', is: ['head_unlogged', 'log_equivocation', 'attestation_invalid'] },
    rootCause: {
      label: 'kind',
      of: {
        head_unlogged: 'stolen_key',
        log_equivocation: 'stolen_key',
        attestation_invalid: 'attestations',
        key_unknown: 'security',
        key_rate_changed: 'security',
        policy_rolled_back: 'policy',
      },
    },
    signal: 'cause',
    silent: 'never',
    expr: 'sum by (kind) (increase(quantum_ip_security_events_total[10m])) > 0',
    for: '0s',
    runbook: 'security-event.md',
    summary: 'The authority raised a security event: {{ $labels.kind }}',
    description: '`qip events` lists it with its proof. No window silences it.',
  },
  QuantumIpUnloggedDecisions: {
    severity: 'page',
    rootCause: 'stolen_key',
    signal: 'cause',
    silent: 'never',
    expr: 'sum by (instance) (increase(quantum_ip_unlogged_decisions_total[10m])) > 0',
    for: '0s',
    summary: '{{ $labels.instance }}: requests passed on a signed head that is in no log',
    description:
      'Somebody else signs with an issuing key. `qip decisions --unlogged` lists the requests. No window silences it.',
  },
} as const satisfies Record<string, AlertRow>

const operationAlerts = {
  QuantumIpPolicyErrors: {
    severity: 'ticket',
    rootCause: 'policy',
    signal: 'cause',
    silent: 'with_everything',
    expr: 'sum by (policy) (increase(quantum_ip_policy_errors_total[10m])) > 0',
    for: '0s',
    summary: 'Conditions of the policy {{ $labels.policy }} fail to evaluate',
    description: 'A rule that fails refuses, or does what it says where that is not `allow`.',
  },
  QuantumIpPolicyDrift: {
    severity: 'ticket',
    rootCause: 'policy',
    signal: 'cause',
    silent: 'with_everything',
    expr: `max by (policy) (quantum_ip_policy_version ${ofPoints}) != min by (policy) (quantum_ip_policy_version ${ofPoints})`,
    for: '15m',
    runbook: 'policy-drift.md',
    summary: 'Enforcement points decide by different versions of the policy {{ $labels.policy }}',
    description: '`qip policy status` names who holds which version.',
  },
  QuantumIpDecisionRecordsLost: {
    severity: 'ticket',
    rootCause: 'decision_log',
    signal: 'cause',
    silent: 'with_everything',
    expr: 'sum by (instance) (increase(quantum_ip_decision_records_lost_total[10m])) > 0',
    for: '0s',
    summary: '{{ $labels.instance }}: {{ $value | humanize }} decision records were lost',
    description: 'Their store did not take them: requests were served, and forensics will lack them.',
  },
  QuantumIpDeferredBacklog: {
    severity: 'ticket',
    rootCause: 'deferred_checks',
    signal: 'cause',
    silent: 'with_everything',
    expr: 'sum by (instance) (quantum_ip_deferred_backlog) > 500 or sum by (instance) (increase(quantum_ip_deep_checks_total{outcome="dropped"}[10m])) > 0',
    for: '5m',
    summary: '{{ $labels.instance }}: deferred deep checks lag behind, or were dropped',
    description:
      'Requests were answered before their check, and the check does not follow. At 1,000 that wait, further ones are dropped.',
  },
  QuantumIpSamplingOutOfRange: {
    severity: 'ticket',
    rootCause: 'sampling',
    signal: 'cause',
    silent: 'with_everything',
    // 1 is `deepCheck: always`. While an incident is open, the share is raised on purpose.
    expr: `(quantum_ip_sampling_ratio < ${samplingRange.least} or (quantum_ip_sampling_ratio > ${samplingRange.most} and quantum_ip_sampling_ratio < 1)) ${ofPoints} unless on () (sum(quantum_ip_incident_open) > 0)`,
    for: '30m',
    summary: `{{ $labels.instance }}: ${percent} of verifications get a deep check`,
    description: 'Between 5 % and 20 % is usual while no incident is open, or all of them.',
  },
  QuantumIpFalsePositives: {
    severity: 'ticket',
    rootCause: 'false_positives',
    signal: 'cause',
    silent: 'with_everything',
    expr: `quantum_ip:false_positive_ratio:rate1d > ${errorBudgets.falsePositives}`,
    for: '0s',
    summary: `Operators judged ${percent} of the day's refusals to be wrong`,
    description:
      'The level is 0.1 %. Look at what the marked decisions have in common, and at the policy that made them.',
  },
  QuantumIpFailOpen: {
    severity: 'ticket',
    rootCause: 'fail_open',
    signal: 'cause',
    silent: 'with_everything',
    // What is left out passes in normal operation: monitor, canary, deferred checks, routes for strangers.
    expr: 'sum by (enforcement_point, kind) (increase(quantum_ip_fail_open_total{kind=~"unverifiable|stale_trust|unanchored_head|replay_per_instance"}[10m])) > 0',
    for: '5m',
    summary:
      '{{ $labels.enforcement_point }}: requests pass that closed operation would refuse ({{ $labels.kind }})',
    description: 'Configuration says so by name, for an outage. Find the outage.',
  },
} as const satisfies Record<string, AlertRow>

/** All alerts, by group. */
export const alertGroups = {
  'quantum-ip-alerts-services': serviceAlerts,
  'quantum-ip-alerts-points': pointAlerts,
  'quantum-ip-alerts-security': securityAlerts,
  'quantum-ip-alerts-operation': operationAlerts,
} as const satisfies Record<string, Readonly<Record<string, AlertRow>>>

/** All alerts, by name. */
export const alertTable: Readonly<Record<string, AlertRow>> = Object.assign({}, ...Object.values(alertGroups))
