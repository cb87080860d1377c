import { latencyBars } from '../service-levels.ts'
import type { RowSpec } from './panels.ts'

const needsNodeExporter = 'it is the node exporter’s, where one runs'

/** Where the time goes, step by step: traces, processors and signatures, look-ups of attestations. */
export const debug: readonly RowSpec[] = [
  {
    title: 'Traces',
    panels: [
      {
        title: 'Verifications with this reason',
        description:
          'Spans `quantum_ip.verify` of the trace store. A click on an ID opens the trace; `qip explain <decision>` has the rest.',
        kind: 'traces',
        tags: 'quantum_ip.reason=${reason}',
        width: 24,
      },
      {
        title: 'One trace, step by step',
        description:
          'Put the ID of a trace into the field above: from exemplars, a decision record or the list.',
        kind: 'trace',
        width: 24,
      },
      {
        title: 'Verifications by way',
        description:
          'cold: the head was fetched or a signature checked; cached: from memory; deep: with its attestation.',
        kind: 'trend',
        queries: [
          {
            expr: 'sum by (path) (rate(quantum_ip_verification_duration_seconds_count[$__rate_interval]))',
            legend: '{{path}}',
          },
        ],
        unit: 'reqps',
        width: 12,
      },
      {
        title: 'Latency by way',
        description: 'p95, with dots that lead to traces.',
        kind: 'trend',
        queries: [
          {
            expr: 'histogram_quantile(0.95, sum by (path, le) (rate(quantum_ip_verification_duration_seconds_bucket[$__rate_interval])))',
            legend: '{{path}}',
            exemplars: true,
          },
        ],
        unit: 's',
        width: 12,
      },
    ],
  },
  {
    title: 'Processors and signatures',
    panels: [
      {
        title: 'Processor by node',
        description: 'Share that is busy, as the node exporter sees it.',
        kind: 'trend',
        queries: [
          {
            expr: '1 - avg by (instance) (rate(node_cpu_seconds_total{mode="idle"}[$__rate_interval]))',
            legend: '{{instance}}',
            emptyBecause: needsNodeExporter,
          },
        ],
        unit: 'percentunit',
        width: 8,
      },
      {
        title: 'Signatures by node, operation and scheme',
        description:
          'Share of a processor. Verified heads and JWTs are what load costs; a rise with `other` is a scheme that was not foreseen.',
        kind: 'trend',
        queries: [
          {
            expr: 'quantum_ip:crypto_cpu:rate5m > 0',
            legend: '{{instance}} {{operation}} {{scheme}}',
          },
        ],
        unit: 'percentunit',
        width: 8,
        links: [{ title: 'Runbook', url: '${runbooks}/verifier-overload.md' }],
      },
      {
        title: 'Uses of keys',
        description: 'At the authority. A sudden change is a security event.',
        kind: 'trend',
        queries: [
          {
            expr: 'sum by (key, operation) (rate(quantum_ip_key_use_total[$__rate_interval])) > 0',
            legend: '{{key}} {{operation}}',
          },
        ],
        unit: 'cps',
        width: 8,
      },
      {
        title: 'How late threads are with their work',
        description: 'The busiest of each process. From 25 ms on it sheds.',
        kind: 'trend',
        queries: [{ expr: 'max by (instance) (quantum_ip_load_delay_seconds)', legend: '{{instance}}' }],
        unit: 's',
        width: 8,
        bad: { from: 0.025 },
      },
      {
        title: 'Requests in flight',
        description: 'Of each process.',
        kind: 'trend',
        queries: [{ expr: 'max by (instance) (quantum_ip_requests_in_flight)', legend: '{{instance}}' }],
        width: 8,
      },
      {
        title: 'Tokens issued',
        description: 'At the authority, by form.',
        kind: 'trend',
        queries: [
          {
            expr: 'sum by (form) (rate(quantum_ip_tokens_issued_total[$__rate_interval]))',
            legend: '{{form}}',
          },
        ],
        unit: 'cps',
        width: 8,
      },
    ],
  },
  {
    title: 'Attestations and ledger',
    panels: [
      {
        title: 'Look-ups of attestations',
        description: 'By where the answer came from: memory, this machine, or the authority.',
        kind: 'trend',
        queries: [
          {
            expr: 'sum by (source) (rate(quantum_ip_ledger_lookup_duration_seconds_count[$__rate_interval]))',
            legend: '{{source}}',
          },
        ],
        unit: 'reqps',
        width: 12,
      },
      {
        title: 'Latency of look-ups',
        description: 'p95 and p99. The requirement’s bar is 100 ms; ours is 5 ms.',
        kind: 'trend',
        queries: [
          {
            expr: 'quantum_ip:ledger_lookup_duration:p95_5m',
            legend: 'p95 {{source}}',
          },
          {
            expr: 'quantum_ip:ledger_lookup_duration:p99_5m',
            legend: 'p99 {{source}}',
          },
        ],
        unit: 's',
        width: 12,
        bad: { from: latencyBars.ledger },
        links: [{ title: 'Runbook', url: '${runbooks}/ledger-outage.md' }],
      },
      {
        title: 'Deep checks',
        description: 'By outcome.',
        kind: 'trend',
        queries: [
          {
            expr: 'sum by (outcome) (rate(quantum_ip_deep_checks_total[$__rate_interval]))',
            legend: '{{outcome}}',
          },
        ],
        unit: 'reqps',
        width: 8,
        links: [{ title: 'Runbook', url: '${runbooks}/attestation-freshness.md' }],
      },
      {
        title: 'Age of the attestations that requests rely on',
        description: 'Its median and p95.',
        kind: 'trend',
        queries: [50, 95].map((percent) => ({
          expr: `histogram_quantile(0.${percent}, sum by (le) (rate(quantum_ip_attestation_age_seconds_bucket[$__rate_interval])))`,
          legend: `p${percent}`,
        })),
        unit: 's',
        width: 8,
      },
      {
        title: 'Heads that were asked for',
        description: 'By outcome. Tokens under a head that is not held wait for it.',
        kind: 'trend',
        queries: [
          {
            expr: 'sum by (outcome) (rate(quantum_ip_head_fetches_total[$__rate_interval]))',
            legend: '{{outcome}}',
          },
        ],
        unit: 'reqps',
        width: 8,
      },
      {
        title: 'Deferred checks that wait, and the share that is checked',
        description: 'From 1,000 on they are dropped.',
        kind: 'trend',
        queries: [
          { expr: 'sum by (instance) (quantum_ip_deferred_backlog)', legend: 'waiting {{instance}}' },
          { expr: 'max by (instance) (quantum_ip_sampling_ratio)', legend: 'share {{instance}}' },
        ],
        width: 12,
        links: [{ title: 'Runbook', url: '${runbooks}/deferred-checks.md' }],
      },
      {
        title: 'Decision records that were left out',
        description: 'Over the cap of their reason (counted, on purpose), and lost (never on purpose).',
        kind: 'trend',
        queries: [
          {
            expr: 'sum by (reason) (rate(quantum_ip_decision_records_suppressed_total[$__rate_interval]))',
            legend: 'over the cap: {{reason}}',
          },
          { expr: 'sum(rate(quantum_ip_decision_records_lost_total[$__rate_interval]))', legend: 'lost' },
        ],
        unit: 'cps',
        width: 12,
        links: [{ title: 'Runbook', url: '${runbooks}/decision-log.md' }],
      },
    ],
  },
]
