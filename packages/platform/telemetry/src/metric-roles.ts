import type { MetricName } from './metric-table.ts'

/** What every process registers: how its metrics keep to their budget. */
export const budgetMetrics = [
  'metric_series',
  'metric_values_folded',
  'metric_overflow_total',
] as const satisfies readonly MetricName[]

/** What a process that verifies and decides registers. */
export const enforcementMetrics = [
  'verifications_total',
  'decisions_total',
  'verification_duration_seconds',
  'attestation_age_seconds',
  'attestations_fresh_ratio',
  'trust_snapshot_age_seconds',
  'ledger_lookup_duration_seconds',
  'crypto_cpu_seconds_total',
  'deep_checks_total',
  'sampling_ratio',
  'head_fetches_total',
  'cache_entries',
  'cache_hits_total',
  'clock_offset_seconds',
  'deferred_backlog',
  'replay_filter_entries',
  'revocation_epoch',
  'revocation_propagation_seconds',
  'requests_shed_total',
  'load_delay_seconds',
  'load_admitted_ratio',
  'requests_in_flight',
  'policy_errors_total',
  'policy_exceptions_total',
  'policy_version',
  'policy_differences_total',
  'fail_open_total',
  'verifier_events_total',
  'unlogged_decisions_total',
  'decision_records_suppressed_total',
  'decision_records_lost_total',
  'service_info',
  ...budgetMetrics,
] as const satisfies readonly MetricName[]

/** What a process registers, too, that asks a shared replay store. */
export const replayStoreMetrics = [
  'replay_checks_total',
  'replay_check_duration_seconds',
  'replay_faults_total',
  'replay_floor_raised_total',
  'replay_store_ready',
] as const satisfies readonly MetricName[]

/** What a sidecar registers, too. */
export const sidecarMetrics = [
  'sidecar_tokens_total',
  'sidecar_outbound_total',
  'sidecar_calls_held',
  'sidecar_tokens_held',
  'sidecar_audiences_cold',
  'workload_requests_total',
] as const satisfies readonly MetricName[]

/** What a process registers, too, that sends telemetry to a Collector. */
export const otlpMetrics = ['telemetry_export_total'] as const satisfies readonly MetricName[]

/** What the authority registers. */
export const authorityMetrics = [
  'fleet_members',
  'fleet_members_current',
  'key_state',
  'ledger_lookup_duration_seconds',
  'crypto_cpu_seconds_total',
  'adjudications_total',
  'revocation_epoch',
  'tokens_issued_total',
  'issuance_batch_size',
  'key_use_total',
  'security_events_total',
  'service_info',
  'incident_open',
  'window_open',
  ...budgetMetrics,
] as const satisfies readonly MetricName[]

/** What a process registers, too, whose policies may ask an engine beside CEL. */
export const engineMetrics = ['policy_engine_answers_total'] as const satisfies readonly MetricName[]

/** What a gateway registers, too, that has flows. */
export const flowMetrics = [
  'flows_refused_total',
  'flows_cut_total',
  'flows_open',
] as const satisfies readonly MetricName[]
