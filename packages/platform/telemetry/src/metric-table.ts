import type { DimensionName } from './dimensions.ts'

/** One metric: its name is the key in {@link metricTable}, after the prefix `quantum_ip_`. */
export type MetricRow = {
  readonly help: string
  readonly dimensions: readonly DimensionName[]
} & (
  | {
      readonly type: 'counter'
      /**
       * Series that may come to life for each value of the first two dimensions, where few of all combinations ever
       * occur. Absent: all combinations are there from the start, at zero.
       */
      readonly liveMax?: number
    }
  | {
      readonly type: 'gauge'
      /** How the values of several threads become one. */
      readonly across: 'sum' | 'max' | 'min'
    }
  | { readonly type: 'histogram'; readonly buckets: readonly number[] }
)

/** Upper bounds in seconds, 2 µs to 1 s. */
const fast = [
  0.000002, 0.000005, 0.00001, 0.00002, 0.00005, 0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02,
  0.05, 0.1, 0.2, 0.5, 1,
]
/** Upper bounds in seconds, 20 µs to 10 s. */
const slow = [0.00002, 0.0001, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10]
const ages = [60, 600, 3_600, 21_600, 86_400, 604_800, 2_592_000, 7_776_000]
const batches = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1_024, 4_096]

/**
 * Every metric there is. A process registers those of its role; nothing is counted under another name.
 *
 * Labels come from closed sets only; never a token, path, identity or build.
 */
export const metricTable = {
  verifications_total: {
    type: 'counter',
    help: 'Verifications of requests, by verdict.',
    dimensions: ['service', 'enforcement_point', 'region', 'outcome'],
  },
  decisions_total: {
    type: 'counter',
    help: 'Decisions of policies. `action` is what is done if the decision is carried out; a decision that monitor or a canary did not carry out has mode `monitor`.',
    dimensions: ['service', 'enforcement_point', 'region', 'outcome', 'action', 'mode', 'policy'],
    liveMax: 22,
  },
  verification_duration_seconds: {
    type: 'histogram',
    help: 'Time from a request to its verdict.',
    dimensions: ['enforcement_point', 'path'],
    buckets: fast,
  },
  attestation_age_seconds: {
    type: 'histogram',
    help: 'Age of the attestations that verified tokens rely on.',
    dimensions: [],
    buckets: ages,
  },
  attestations_fresh_ratio: {
    type: 'gauge',
    help: 'Share of attestations within their freshness limit.',
    dimensions: [],
    across: 'min',
  },
  fleet_members: {
    type: 'gauge',
    help: 'Enrolled members of the fleet with a lease.',
    dimensions: [],
    across: 'max',
  },
  fleet_members_current: {
    type: 'gauge',
    help: 'Members that have acknowledged the newest bundle.',
    dimensions: [],
    across: 'max',
  },
  key_state: {
    type: 'gauge',
    help: 'Keys of each use in each state.',
    dimensions: ['key', 'key_state'],
    across: 'max',
  },
  trust_snapshot_age_seconds: {
    type: 'gauge',
    help: 'Age of the signed state that verifications rely on.',
    dimensions: [],
    across: 'max',
  },
  ledger_lookup_duration_seconds: {
    type: 'histogram',
    help: 'Time of a look-up of an attestation, by where the answer came from.',
    dimensions: ['source'],
    buckets: slow,
  },
  crypto_cpu_seconds_total: {
    type: 'counter',
    help: 'Time spent on signatures, by operation and scheme.',
    dimensions: ['operation', 'scheme'],
  },
  deep_checks_total: {
    type: 'counter',
    help: 'Deep checks of attestations, by outcome.',
    dimensions: ['deep_check'],
  },
  sampling_ratio: {
    type: 'gauge',
    help: 'Share of verifications that get a deep check at present.',
    dimensions: [],
    across: 'max',
  },
  adjudications_total: {
    type: 'counter',
    help: 'Decisions that an operator marked, by judgement.',
    dimensions: ['adjudication'],
  },
  head_fetches_total: {
    type: 'counter',
    help: 'Heads that were asked for, by outcome.',
    dimensions: ['head_fetch'],
  },
  cache_entries: { type: 'gauge', help: 'Entries of each cache.', dimensions: ['cache'], across: 'sum' },
  cache_hits_total: { type: 'counter', help: 'Answers of each cache.', dimensions: ['cache'] },
  clock_offset_seconds: {
    type: 'gauge',
    help: 'How far this clock is ahead of the signed time of the newest state.',
    dimensions: [],
    across: 'max',
  },
  deferred_backlog: {
    type: 'gauge',
    help: 'Deferred deep checks that are still to be done.',
    dimensions: [],
    across: 'sum',
  },
  replay_filter_entries: {
    type: 'gauge',
    help: 'One-time tokens that the replay filter remembers.',
    dimensions: [],
    across: 'max',
  },
  replay_checks_total: {
    type: 'counter',
    help: 'Checks of one-time tokens in the shared replay store, by outcome.',
    dimensions: ['replay'],
  },
  replay_check_duration_seconds: {
    type: 'histogram',
    help: 'Time of a check in the shared replay store, those included that got no answer.',
    dimensions: [],
    buckets: [0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1],
  },
  replay_faults_total: {
    type: 'counter',
    help: 'Checks to which the shared replay store gave no answer, by why.',
    dimensions: ['replay_fault'],
  },
  replay_floor_raised_total: {
    type: 'counter',
    help: 'Times that the memory of the shared replay store began anew, so that older one-time tokens are refused, by cause.',
    dimensions: ['replay_cause'],
  },
  replay_store_ready: {
    type: 'gauge',
    help: 'Whether the shared replay store can judge one-time tokens that are issued now: 1, else 0.',
    dimensions: [],
    across: 'min',
  },
  revocation_epoch: {
    type: 'gauge',
    help: 'Revocation epoch that verifications rely on.',
    dimensions: [],
    across: 'min',
  },
  revocation_propagation_seconds: {
    type: 'histogram',
    help: 'Time from the signed state that confirms a revocation to its effect here, by the two clocks; `qip fleet` has it end to end by one.',
    dimensions: [],
    buckets: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300],
  },
  tokens_issued_total: { type: 'counter', help: 'Tokens issued, by form.', dimensions: ['form'] },
  issuance_batch_size: {
    type: 'histogram',
    help: 'Tokens signed in one batch.',
    dimensions: [],
    buckets: batches,
  },
  key_use_total: {
    type: 'counter',
    help: 'Uses of keys, by use of the key and operation.',
    dimensions: ['key', 'key_operation'],
  },
  requests_shed_total: {
    type: 'counter',
    help: 'Requests that were answered with 503 at once, by service and cause. `other` were shed before their route was known.',
    dimensions: ['service', 'shed_cause'],
  },
  load_delay_seconds: {
    type: 'gauge',
    help: 'How late the busiest thread was with its work, all through the last window.',
    dimensions: [],
    across: 'max',
  },
  load_admitted_ratio: {
    type: 'gauge',
    help: 'Share of the requests of each tier that is let in at present, in the thread that lets in the least.',
    dimensions: ['tier'],
    across: 'min',
  },
  requests_in_flight: {
    type: 'gauge',
    help: 'Requests in flight in this process, tunnels included.',
    dimensions: [],
    across: 'max',
  },
  flows_refused_total: {
    type: 'counter',
    help: 'Connections of flows that were closed before a byte of them reached an upstream, other than by a policy, by service and cause.',
    dimensions: ['enforcement_point', 'service', 'flow_refusal'],
    liveMax: 4,
  },
  flows_cut_total: {
    type: 'counter',
    help: 'Open connections of flows that were cut, by service and cause.',
    dimensions: ['service', 'flow_cut'],
  },
  flows_open: {
    type: 'gauge',
    help: 'Connections of flows that are open in this process.',
    dimensions: [],
    across: 'sum',
  },
  policy_version: {
    type: 'gauge',
    help: 'The version of each policy that is in force here; of several threads, the lowest.',
    dimensions: ['policy'],
    across: 'min',
  },
  policy_differences_total: {
    type: 'counter',
    help: 'Requests for which a candidate says something else than the active policy does: `from` what is done now, `to` what the candidate says.',
    dimensions: ['region', 'policy', 'difference'],
    liveMax: 3,
  },
  policy_errors_total: {
    type: 'counter',
    help: 'Conditions that failed to evaluate.',
    dimensions: ['policy'],
  },
  policy_engine_answers_total: {
    type: 'counter',
    help: 'Questions of policies to engines beside CEL, by how they ended.',
    dimensions: ['engine_outcome'],
  },
  policy_exceptions_total: {
    type: 'counter',
    help: 'Decisions that an exception of a policy made before its rules; the decision records name it and its owner.',
    dimensions: ['policy'],
  },
  fail_open_total: {
    type: 'counter',
    help: 'Requests that passed because configuration says so by name, by what it says.',
    dimensions: ['enforcement_point', 'fail_open'],
  },
  verifier_events_total: {
    type: 'counter',
    help: 'Events that an operator must hear of.',
    dimensions: ['event'],
  },
  security_events_total: {
    type: 'counter',
    help: 'Security events that the authority raised, by kind; `qip events` lists them with their proofs.',
    dimensions: ['security_event'],
  },
  service_info: {
    type: 'gauge',
    help: 'Always 1: who owns each declared service, and its tier and stage. Every process with the service in its configuration says so; take one of them, `topk by (service) (1, …)`.',
    dimensions: ['service_info'],
    across: 'max',
  },
  incident_open: {
    type: 'gauge',
    help: 'Incidents that are open, by severity; `qip incident list` names them.',
    dimensions: ['incident_severity'],
    across: 'max',
  },
  window_open: {
    type: 'gauge',
    help: 'Whether a declared window is open for a service: 1, else 0. `other` is a window for all services. Alerts of that service are silent meanwhile.',
    dimensions: ['service', 'window_kind'],
    across: 'max',
  },
  unlogged_decisions_total: {
    type: 'counter',
    help: 'Decisions that relied on a signed head which no signed state listed.',
    dimensions: [],
  },
  decision_records_suppressed_total: {
    type: 'counter',
    help: 'Decision records over the cap of their reason, which were counted and not kept.',
    dimensions: ['reason'],
  },
  decision_records_lost_total: {
    type: 'counter',
    help: 'Decision records that their store did not take.',
    dimensions: [],
  },
  telemetry_export_total: {
    type: 'counter',
    help: 'Spans, log records and sendings of metrics to the OpenTelemetry Collector, by what became of them; all but `sent` are lost.',
    dimensions: ['signal', 'export_outcome'],
  },
  sidecar_tokens_total: {
    type: 'counter',
    help: 'Tokens that a sidecar wanted for calls of its service, by how and what became of it.',
    dimensions: ['token_way', 'token_outcome'],
  },
  sidecar_outbound_total: {
    type: 'counter',
    help: 'Calls that a service made through its sidecar, by what became of them.',
    dimensions: ['outbound'],
  },
  sidecar_calls_held: {
    type: 'gauge',
    help: 'Inbound calls that a sidecar remembers, so that outbound ones can extend their chain.',
    dimensions: [],
    across: 'sum',
  },
  sidecar_tokens_held: {
    type: 'gauge',
    help: 'Tokens that a sidecar could hand out at once.',
    dimensions: [],
    across: 'sum',
  },
  sidecar_audiences_cold: {
    type: 'gauge',
    help: 'Named audiences for which a sidecar has no token to hand out.',
    dimensions: [],
    across: 'max',
  },
  workload_requests_total: {
    type: 'counter',
    help: 'Requests to the workload API.',
    dimensions: ['workload_operation', 'workload_outcome'],
  },
  metric_series: {
    type: 'gauge',
    help: 'Time series that this process shows; its budget is 2,000 unless `telemetry.series` says otherwise.',
    dimensions: [],
    across: 'max',
  },
  metric_values_folded: {
    type: 'gauge',
    help: 'Configured services and policies that count as `other`, because the budget of series has no room for more.',
    dimensions: ['folded_label'],
    across: 'max',
  },
  metric_overflow_total: {
    type: 'counter',
    help: 'What was counted as `other` in every label, because a metric had no room for another combination of them.',
    dimensions: [],
  },
} as const satisfies Record<string, MetricRow>

type Table = typeof metricTable

/** Name of a metric, without the prefix `quantum_ip_`. */
export type MetricName = keyof Table

/** Names of the metrics of one type. */
export type MetricNameOf<Type extends MetricRow['type']> = {
  [Name in MetricName]: Table[Name]['type'] extends Type ? Name : never
}[MetricName]

/** Every metric, in order. */
export const metricNames = Object.keys(metricTable) as readonly MetricName[]

/** The row of a metric. */
export function metricRow(name: MetricName): MetricRow {
  return metricTable[name]
}
