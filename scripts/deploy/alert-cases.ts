// Cases for `promtool test rules`: of each alert what makes it fire and what does not. That windows and services which are not enforced
// keep it silent follows from the first, and is generated.
import { type MetricName, metricPrefix } from '@quantum-ip/telemetry'
import { verdictTable } from '@quantum-ip/verifier'
import type { alertGroups } from './alert-table.ts'

type Groups = typeof alertGroups
/** The name of an alert. */
export type AlertName = { [Group in keyof Groups]: keyof Groups[Group] }[keyof Groups]

/** Series as promtool takes them: their selector and their values, one for each minute. */
export type Series = readonly (readonly [selector: string, values: string])[]

/** One alert that is expected to be firing. */
export interface Expected {
  readonly severity: 'page' | 'ticket'
  readonly root_cause: string
  readonly service?: string
  readonly owner?: string
}

/** One case. */
export interface AlertCase {
  readonly title: string
  readonly series: Series
  /** Minutes after the beginning. */
  readonly at: number
  /** Empty: it does not fire. */
  readonly fires: readonly Expected[]
}

const shop = 'spiffe://prod.example/ns/shop/sa/shop'
const cart = 'spiffe://prod.example/ns/shop/sa/cart'
const whole = 240

/** The values of a counter that grows by as much in each minute; in several stretches, where it changes. */
export function grows(...stretches: readonly (readonly [perMinute: number, minutes: number])[]): string {
  let reached = 0
  return stretches
    .map(([step, minutes], at) => {
      const start = at === 0 ? 0 : reached + step
      reached = start + step * (at === 0 ? minutes : minutes - 1)
      return `${start}+${step}x${at === 0 ? minutes : minutes - 1}`
    })
    .join(' ')
}

function series(name: MetricName, labels: Readonly<Record<string, string>>, values: string): Series {
  const inside = Object.entries(labels).map(([label, value]) => `${label}="${value}"`)
  return [[`${metricPrefix}${name}{${inside.join(',')}}`, values]]
}

function steady(value: number, minutes = whole): string {
  return `${value}x${minutes}`
}

function info(service: string, tier: string, stage = 'enforced'): Series {
  const owner = service === shop ? 'team-shop' : 'team-cart'
  // Two processes say so.
  return ['g1', 'g2'].flatMap((instance) =>
    series('service_info', { service, owner, tier, stage, instance }, steady(1)),
  )
}

type Reason = keyof typeof verdictTable

function verified(service: string, reason: Reason, values: string, point = 'edge'): Series {
  const { status } = verdictTable[reason]
  return series(
    'verifications_total',
    { service, enforcement_point: point, region: 'eu', status, reason },
    values,
  )
}

function refused(service: string, reason: Reason, values: string, mode = 'enforce'): Series {
  const { status } = verdictTable[reason]
  const labels = { service, enforcement_point: 'edge', region: 'eu', status, reason, action: 'reject', mode }
  return series('decisions_total', { ...labels, policy: 'default' }, values)
}

const steadily = (perMinute: number): string => grows([perMinute, whole])

/** A service of which `bad` of 1,000 requests a minute fail for one reason. */
function failing(service: string, tier: string, reason: Reason, bad: number): Series {
  return [
    ...info(service, tier),
    ...verified(service, 'ok', steadily(1_000 - bad)),
    ...verified(service, reason, steadily(bad)),
  ]
}

/** The same, refused by a policy. */
function refusing(service: string, tier: string, reason: Reason, bad: number): Series {
  const isVerified = verdictTable[reason].status === 'verified'
  return [
    ...info(service, tier),
    ...verified(service, 'ok', steadily(isVerified ? 1_000 : 1_000 - bad)),
    ...(isVerified ? [] : verified(service, reason, steadily(bad))),
    ...refused(service, reason, steadily(bad)),
  ]
}

/** A service that refuses a fifth after an hour without. */
function suddenly(service: string, reason: Reason): Series {
  const later = grows([0, 60], [200, whole])
  return [
    ...info(service, 'standard'),
    ...verified(service, 'ok', grows([1_000, 60], [800, whole])),
    ...verified(service, reason, later),
    ...refused(service, reason, later),
  ]
}

/** A service whose policy would refuse everything, and is in monitor. */
function monitored(service: string): Series {
  return [
    ...info(service, 'standard'),
    ...verified(service, 'key_unknown', steadily(1_000)),
    ...refused(service, 'key_unknown', steadily(1_000), 'monitor'),
  ]
}

const page = { severity: 'page' } as const
const ticket = { severity: 'ticket' } as const
const ofShop = { service: shop, owner: 'team-shop' }
const ofCart = { service: cart, owner: 'team-cart' }

function buckets(
  name: MetricName,
  labels: Readonly<Record<string, string>>,
  counts: Readonly<Record<string, number>>,
): Series {
  return Object.entries(counts).flatMap(([le, perMinute]): Series => [
    [
      `${metricPrefix}${name}_bucket{${Object.entries({ ...labels, le })
        .map(([label, value]) => `${label}="${value}"`)
        .join(',')}}`,
      steadily(perMinute),
    ],
  ])
}

/** A gauge of two processes of which the first is at a value. */
function gauge(name: MetricName, value: number, other: number): Series {
  return [
    ...series(name, { instance: 'g1' }, steady(value)),
    ...series(name, { instance: 'g2' }, steady(other)),
  ]
}

// Both processes are enforcement points: they hold a state.
const judging = gauge('trust_snapshot_age_seconds', 2, 2)

// A counter that grew once, in the 20th minute.
const once = grows([0, 19], [1, 1], [0, whole])

const serviceCases = {
  QuantumIpRejectionsAcrossServices: [
    {
      title: 'two services refuse a fifth, for reasons of one root cause, after an hour without',
      series: [...suddenly(shop, 'key_unknown'), ...suddenly(cart, 'key_revoked')],
      at: 70,
      fires: [{ ...page, root_cause: 'key_rotation' }],
    },
    {
      title: 'one service refuses a fifth',
      series: [
        ...refusing(shop, 'standard', 'key_unknown', 200),
        ...refusing(cart, 'standard', 'key_unknown', 10),
      ],
      at: 10,
      fires: [],
    },
    {
      title: 'two services have refused a tenth for hours',
      series: [...refusing(shop, 'standard', 'ok', 100), ...refusing(cart, 'standard', 'ok', 100)],
      at: 120,
      fires: [],
    },
    {
      title: 'two services refuse a fifth, each for a root cause of its own',
      series: [
        ...refusing(shop, 'standard', 'key_unknown', 200),
        ...refusing(cart, 'standard', 'token_expired', 200),
      ],
      at: 10,
      fires: [],
    },
    {
      title: 'two services would refuse, and monitor lets pass',
      series: [...monitored(shop), ...monitored(cart)],
      at: 10,
      fires: [],
    },
  ],
  QuantumIpVerificationBudgetFastBurn: [
    {
      title: 'a fifth of the verifications fail, at a critical service and at another one',
      series: [
        ...failing(shop, 'critical', 'token_truncated', 200),
        ...failing(cart, 'standard', 'trust_stale', 200),
      ],
      at: 20,
      fires: [
        { ...page, ...ofShop, root_cause: 'header_stripping' },
        { ...ticket, ...ofCart, root_cause: 'trust' },
      ],
    },
    {
      title: 'four per cent fail',
      series: failing(shop, 'critical', 'token_expired', 40),
      at: 120,
      fires: [],
    },
    {
      title: 'keys are refused while their rotation is declared, and elsewhere clocks differ',
      series: [
        ...failing(shop, 'critical', 'key_unknown', 200),
        ...failing(cart, 'critical', 'token_expired', 200),
        ...[shop, cart].flatMap((service) =>
          series('window_open', { service, window_kind: 'rotation' }, steady(1)),
        ),
      ],
      at: 20,
      fires: [{ ...page, ...ofCart, root_cause: 'clock' }],
    },
    {
      title: 'a window has ended, and what failed in it does not count',
      series: [
        ...info(shop, 'critical'),
        ...verified(shop, 'ok', steadily(1_000)),
        ...verified(shop, 'token_expired', grows([1_000, 30], [0, whole])),
        ...series(
          'window_open',
          { service: shop, window_kind: 'maintenance' },
          `${steady(1, 30)} ${steady(0)}`,
        ),
      ],
      at: 40,
      fires: [],
    },
    {
      title: 'a window is open, and the authority that says so is away',
      series: [
        ...failing(shop, 'critical', 'trust_stale', 500),
        ...series('window_open', { service: 'other', window_kind: 'maintenance' }, '1x10 stale'),
      ],
      at: 50,
      fires: [],
    },
    {
      title: 'it is over: the hour is bad, and the last minutes are not',
      series: [
        ...info(shop, 'critical'),
        ...verified(shop, 'ok', steadily(1_000)),
        ...verified(shop, 'token_expired', grows([1_000, 30], [0, whole])),
      ],
      at: 75,
      fires: [],
    },
    {
      title: 'strangers without tokens, as many as there are requests',
      series: [
        ...failing(shop, 'critical', 'token_absent', 500),
        ...verified(shop, 'token_malformed', steadily(500)),
      ],
      at: 60,
      fires: [],
    },
    {
      title: 'a service that is called twice in an hour, and fails',
      series: [
        ...info(shop, 'critical'),
        ...verified(shop, 'token_expired', grows([0, 10], [1, 1], [0, 29], [1, 1], [0, whole])),
      ],
      at: 42,
      fires: [],
    },
  ],
  QuantumIpVerificationBudgetSlowBurn: [
    {
      title: 'four per cent fail for long, at a critical service: a ticket all the same',
      series: failing(shop, 'critical', 'token_expired', 40),
      at: 60,
      fires: [{ ...ticket, ...ofShop, root_cause: 'clock' }],
    },
    {
      title: 'half a per cent fails',
      series: failing(shop, 'critical', 'token_expired', 5),
      at: 120,
      fires: [],
    },
  ],
  QuantumIpVerificationBudgetEscalation: [
    {
      title: 'two and a half per cent fail for over an hour',
      series: [
        ...failing(shop, 'critical', 'attestation_stale', 25),
        ...failing(cart, 'low', 'overloaded', 25),
      ],
      at: 90,
      fires: [
        { ...page, ...ofShop, root_cause: 'ledger' },
        { ...ticket, ...ofCart, root_cause: 'overload' },
      ],
    },
    {
      title: 'one and a half per cent fail',
      series: failing(shop, 'critical', 'key_unknown', 15),
      at: 120,
      fires: [],
    },
    {
      title: 'it has not gone on for long',
      series: failing(shop, 'critical', 'key_unknown', 25),
      at: 40,
      fires: [],
    },
  ],
  QuantumIpRejectionBudgetBurn: [
    {
      title: 'a policy refuses a tenth of what was verified',
      series: [...refusing(shop, 'critical', 'ok', 100), ...refusing(cart, 'standard', 'build_revoked', 100)],
      at: 20,
      fires: [
        { ...page, ...ofShop, root_cause: 'policy' },
        { ...ticket, ...ofCart, root_cause: 'revocation' },
      ],
    },
    { title: 'two per cent are refused', series: refusing(shop, 'critical', 'ok', 20), at: 60, fires: [] },
    {
      title: 'a policy in monitor would refuse all',
      series: [
        ...info(shop, 'critical'),
        ...verified(shop, 'ok', steadily(1_000)),
        ...refused(shop, 'ok', steadily(1_000), 'monitor'),
      ],
      at: 60,
      fires: [],
    },
  ],
  QuantumIpRejectionBudgetSlowBurn: [
    {
      title: 'two per cent are refused for long',
      series: refusing(cart, 'critical', 'binding_mismatch', 20),
      at: 60,
      fires: [{ ...ticket, ...ofCart, root_cause: 'token_binding' }],
    },
    {
      title: 'a quarter of a per cent is refused',
      series: refusing(cart, 'critical', 'ok', 2.5),
      at: 60,
      fires: [],
    },
  ],
  QuantumIpMissingTokens: [
    {
      title: 'a tenth comes without tokens, after two hours of hardly any',
      series: [
        ...info(shop, 'standard'),
        ...verified(shop, 'ok', steadily(1_000)),
        ...verified(shop, 'token_absent', grows([1, 120], [100, whole])),
      ],
      at: 140,
      fires: [{ ...ticket, ...ofShop, root_cause: 'missing_tokens' }],
    },
    {
      title: 'a tenth has come without tokens all the time: strangers',
      series: failing(shop, 'critical', 'token_absent', 100),
      at: 140,
      fires: [],
    },
  ],
  QuantumIpStrippedTokens: [
    {
      title: 'three per cent of the tokens are stripped or cut',
      series: [
        ...failing(shop, 'critical', 'token_stripped', 15),
        ...verified(shop, 'token_truncated', steadily(15)),
        ...failing(cart, 'standard', 'token_stripped', 30),
      ],
      at: 20,
      fires: [
        { ...page, ...ofShop, root_cause: 'header_stripping' },
        { ...ticket, ...ofCart, root_cause: 'header_stripping' },
      ],
    },
    {
      title: 'half a per cent is',
      series: failing(shop, 'critical', 'token_stripped', 5),
      at: 60,
      fires: [],
    },
    {
      title: 'all requests come without a token, and nothing says that one was attached',
      series: failing(shop, 'critical', 'token_absent', 1_000),
      at: 60,
      fires: [],
    },
  ],
  QuantumIpReplayedTokens: [
    {
      title: 'five a minute come again',
      series: failing(shop, 'critical', 'token_replayed', 5),
      at: 20,
      fires: [{ ...ticket, ...ofShop, root_cause: 'replay' }],
    },
    { title: 'one a minute does', series: failing(shop, 'critical', 'token_replayed', 1), at: 20, fires: [] },
  ],
  QuantumIpShedding: [
    {
      title: 'five per cent are shed',
      series: [
        ...failing(shop, 'critical', 'overloaded', 50),
        ...series('requests_shed_total', { service: shop, cause: 'delay' }, steadily(50)),
        ...failing(cart, 'low', 'overloaded', 50),
        ...series('requests_shed_total', { service: cart, cause: 'in_flight' }, steadily(50)),
      ],
      at: 20,
      fires: [
        { ...page, ...ofShop, root_cause: 'overload' },
        { ...ticket, ...ofCart, root_cause: 'overload' },
      ],
    },
    {
      title: 'half a per cent is',
      series: [
        ...failing(shop, 'critical', 'overloaded', 5),
        ...series('requests_shed_total', { service: shop, cause: 'delay' }, steadily(5)),
      ],
      at: 20,
      fires: [],
    },
  ],
} as const

/** A point with a critical and a low service, and one with a low service only. */
function points(slow: 'slow' | 'fast'): Series {
  const counts =
    slow === 'slow'
      ? { '0.05': 900, '0.1': 1_000, '+Inf': 1_000 }
      : { '0.05': 990, '0.1': 1_000, '+Inf': 1_000 }
  return [
    ...info(shop, 'critical'),
    ...info(cart, 'low'),
    ...verified(shop, 'ok', steadily(500), 'edge'),
    ...verified(cart, 'ok', steadily(500), 'edge'),
    ...verified(cart, 'ok', steadily(500), 'inner'),
    ...['edge', 'inner'].flatMap((enforcement_point) =>
      buckets('verification_duration_seconds', { enforcement_point, path: 'cold' }, counts),
    ),
  ]
}

const pointCases = {
  QuantumIpLatencyHigh: [
    {
      title: 'p95 is above 50 ms, at a point before a critical service and at one before a lesser one',
      series: points('slow'),
      at: 30,
      fires: [
        { ...page, root_cause: 'overload' },
        { ...ticket, root_cause: 'overload' },
      ],
    },
    { title: 'p95 is below', series: points('fast'), at: 30, fires: [] },
  ],
  QuantumIpTrustStale: [
    {
      title: 'one process has a state of two minutes ago',
      series: gauge('trust_snapshot_age_seconds', 120, 2),
      at: 10,
      fires: [{ ...page, root_cause: 'trust' }],
    },
    { title: 'both have a new one', series: gauge('trust_snapshot_age_seconds', 6, 2), at: 10, fires: [] },
  ],
  QuantumIpAttestationsStale: [
    {
      title: 'three per cent of deep checks are stale',
      series: [
        ...series('deep_checks_total', { outcome: 'stale' }, steadily(3)),
        ...series('deep_checks_total', { outcome: 'passed' }, steadily(97)),
      ],
      at: 30,
      fires: [{ ...ticket, root_cause: 'attestations' }],
    },
    {
      title: 'half a per cent is',
      series: [
        ...series('deep_checks_total', { outcome: 'stale' }, steadily(1)),
        ...series('deep_checks_total', { outcome: 'passed' }, steadily(199)),
      ],
      at: 30,
      fires: [],
    },
  ],
  QuantumIpFleetNotCurrent: [
    {
      title: 'one of three members is behind',
      series: [...series('fleet_members', {}, steady(3)), ...series('fleet_members_current', {}, steady(2))],
      at: 30,
      fires: [{ ...ticket, root_cause: 'key_rotation' }],
    },
    {
      title: 'all are current',
      series: [...series('fleet_members', {}, steady(3)), ...series('fleet_members_current', {}, steady(3))],
      at: 30,
      fires: [],
    },
    {
      title: 'one is behind, and a rotation is declared',
      series: [
        ...series('fleet_members', {}, steady(3)),
        ...series('fleet_members_current', {}, steady(2)),
        ...series('window_open', { service: 'other', window_kind: 'rotation' }, steady(1)),
      ],
      at: 30,
      fires: [],
    },
  ],
  QuantumIpLedgerSlow: [
    {
      title: 'p95 of look-ups at the authority is above 100 ms',
      series: buckets(
        'ledger_lookup_duration_seconds',
        { source: 'remote' },
        { '0.1': 90, '0.2': 100, '+Inf': 100 },
      ),
      at: 30,
      fires: [{ ...ticket, root_cause: 'ledger' }],
    },
    {
      title: 'p95 is below',
      series: buckets(
        'ledger_lookup_duration_seconds',
        { source: 'remote' },
        { '0.1': 99, '0.2': 100, '+Inf': 100 },
      ),
      at: 30,
      fires: [],
    },
  ],
  QuantumIpReplayStoreUnavailable: [
    {
      title: 'one process cannot ask it',
      series: [...gauge('replay_store_ready', 0, 1), ...judging],
      at: 10,
      fires: [{ ...page, root_cause: 'replay_store' }],
    },
    {
      title: 'an authority has it in its configuration',
      series: [...gauge('replay_store_ready', 0, 0), ...gauge('trust_snapshot_age_seconds', 0, 0)],
      at: 10,
      fires: [],
    },
    { title: 'both can', series: [...gauge('replay_store_ready', 1, 1), ...judging], at: 10, fires: [] },
  ],
  QuantumIpClockSkew: [
    {
      title: 'one clock is 20 s behind',
      series: gauge('clock_offset_seconds', -20, 0),
      at: 20,
      fires: [{ ...ticket, root_cause: 'clock' }],
    },
    { title: 'clocks differ by 3 s', series: gauge('clock_offset_seconds', 3, -3), at: 20, fires: [] },
  ],
  QuantumIpTargetDown: [
    {
      title: 'one of two gateways is away',
      series: [
        ['up{job="quantum-ip-gateway",instance="g1"}', steady(0)],
        ['up{job="quantum-ip-gateway",instance="g2"}', steady(1)],
      ],
      at: 10,
      fires: [{ ...ticket, root_cause: 'target_down' }],
    },
    {
      title: 'another system is',
      series: [['up{job="node",instance="n1"}', steady(0)]],
      at: 10,
      fires: [],
    },
  ],
  QuantumIpAllTargetsDown: [
    {
      title: 'the authority is away',
      series: [
        ['up{job="quantum-ip-authority",instance="a1"}', steady(0)],
        ['up{job="quantum-ip-gateway",instance="g1"}', steady(1)],
      ],
      at: 10,
      fires: [{ ...page, root_cause: 'target_down' }],
    },
    {
      title: 'one of two gateways is',
      series: [
        ['up{job="quantum-ip-gateway",instance="g1"}', steady(0)],
        ['up{job="quantum-ip-gateway",instance="g2"}', steady(1)],
      ],
      at: 10,
      fires: [],
    },
  ],
  QuantumIpServicesUnknown: [
    {
      title: 'requests are verified, and no service is declared',
      series: verified('other', 'ok', steadily(100)),
      at: 30,
      fires: [{ ...ticket, root_cause: 'target_down' }],
    },
    {
      title: 'one is, and it is only observed',
      series: [...verified(shop, 'ok', steadily(100)), ...info(shop, 'standard', 'observed')],
      at: 30,
      fires: [],
    },
  ],
  QuantumIpServicesFolded: [
    {
      title: 'three services have no series of their own',
      series: series('metric_values_folded', { label: 'service', instance: 'g1' }, steady(3)),
      at: 30,
      fires: [{ ...ticket, root_cause: 'target_down' }],
    },
    {
      title: 'all have, and policies have not',
      series: [
        ...series('metric_values_folded', { label: 'service', instance: 'g1' }, steady(0)),
        ...series('metric_values_folded', { label: 'policy', instance: 'g1' }, steady(1)),
      ],
      at: 30,
      fires: [],
    },
  ],
} as const

const securityCases = {
  QuantumIpSecurityEvent: [
    {
      title: 'a head that is in no log, and an unknown key in traffic',
      series: [
        ...series('security_events_total', { kind: 'head_unlogged' }, once),
        ...series('security_events_total', { kind: 'key_unknown' }, once),
        ...series('security_events_total', { kind: 'attestation_invalid' }, once),
      ],
      at: 22,
      fires: [
        { ...page, root_cause: 'stolen_key' },
        { ...ticket, root_cause: 'security' },
        { ...page, root_cause: 'attestations' },
      ],
    },
    {
      title: 'none for an hour',
      series: series('security_events_total', { kind: 'head_unlogged' }, once),
      at: 80,
      fires: [],
    },
  ],
  QuantumIpUnloggedDecisions: [
    {
      title: 'one decision',
      series: series('unlogged_decisions_total', { instance: 'g1' }, once),
      at: 22,
      fires: [{ ...page, root_cause: 'stolen_key' }],
    },
    {
      title: 'none',
      series: series('unlogged_decisions_total', { instance: 'g1' }, steadily(0)),
      at: 22,
      fires: [],
    },
  ],
} as const

const operationCases = {
  QuantumIpPolicyErrors: [
    {
      title: 'one condition failed',
      series: series('policy_errors_total', { policy: 'default' }, once),
      at: 22,
      fires: [{ ...ticket, root_cause: 'policy' }],
    },
    {
      title: 'none did',
      series: series('policy_errors_total', { policy: 'default' }, steadily(0)),
      at: 22,
      fires: [],
    },
  ],
  QuantumIpPolicyDrift: [
    {
      title: 'two points hold different versions of one policy',
      series: [
        ...series('policy_version', { policy: 'default', instance: 'g1' }, steady(3)),
        ...series('policy_version', { policy: 'default', instance: 'g2' }, steady(4)),
        ...judging,
      ],
      at: 30,
      fires: [{ ...ticket, root_cause: 'policy' }],
    },
    {
      title: 'versions of different policies differ',
      series: [
        ...series('policy_version', { policy: 'default', instance: 'g1' }, steady(3)),
        ...series('policy_version', { policy: 'default', instance: 'g2' }, steady(3)),
        ...series('policy_version', { policy: 'edge', instance: 'g2' }, steady(4)),
        // An authority's process, which decides nothing.
        ...series('policy_version', { policy: 'default', instance: 'a1' }, steady(0)),
        ...judging,
      ],
      at: 30,
      fires: [],
    },
  ],
  QuantumIpDecisionRecordsLost: [
    {
      title: 'one was lost',
      series: series('decision_records_lost_total', { instance: 'g1' }, once),
      at: 22,
      fires: [{ ...ticket, root_cause: 'decision_log' }],
    },
    {
      title: 'records over their cap are no loss',
      series: [
        ...series(
          'decision_records_suppressed_total',
          { instance: 'g1', reason: 'token_absent' },
          steadily(1_000),
        ),
        ...series('decision_records_lost_total', { instance: 'g1' }, steadily(0)),
      ],
      at: 22,
      fires: [],
    },
  ],
  QuantumIpDeferredBacklog: [
    {
      title: 'six hundred checks wait at one point, and another one drops some',
      series: [
        ...gauge('deferred_backlog', 600, 10),
        ...series('deep_checks_total', { outcome: 'dropped', instance: 'g2' }, steadily(1)),
      ],
      at: 20,
      fires: [{ ...ticket, root_cause: 'deferred_checks' }],
    },
    {
      title: 'some wait',
      series: [
        ...gauge('deferred_backlog', 60, 10),
        ...series('deep_checks_total', { outcome: 'dropped', instance: 'g2' }, steadily(0)),
      ],
      at: 20,
      fires: [],
    },
  ],
  QuantumIpSamplingOutOfRange: [
    {
      title: 'one per cent is checked',
      series: [...gauge('sampling_ratio', 0.01, 0.1), ...judging],
      at: 60,
      fires: [{ ...ticket, root_cause: 'sampling' }],
    },
    {
      title: 'a tenth is, or everything',
      series: [...gauge('sampling_ratio', 0.1, 1), ...judging],
      at: 60,
      fires: [],
    },
    {
      title: 'a half is, while an incident is open',
      series: [
        ...gauge('sampling_ratio', 0.5, 0.1),
        ...judging,
        ...series('incident_open', { severity: 'major' }, steady(1)),
      ],
      at: 60,
      fires: [],
    },
  ],
  QuantumIpFalsePositives: [
    {
      title: 'one in a hundred refusals was wrong',
      series: [
        ...refused(shop, 'ok', steadily(100)),
        ...series('adjudications_total', { outcome: 'false_positive' }, steadily(1)),
      ],
      at: 60,
      fires: [{ ...ticket, root_cause: 'false_positives' }],
    },
    {
      title: 'all that were looked at were right',
      series: [
        ...refused(shop, 'ok', steadily(100)),
        ...series('adjudications_total', { outcome: 'false_positive' }, steadily(0)),
        ...series('adjudications_total', { outcome: 'confirmed' }, steadily(100)),
      ],
      at: 60,
      fires: [],
    },
  ],
  QuantumIpFailOpen: [
    {
      title: 'requests pass on a stale state',
      series: series('fail_open_total', { enforcement_point: 'edge', kind: 'stale_trust' }, steadily(5)),
      at: 20,
      fires: [{ ...ticket, root_cause: 'fail_open' }],
    },
    {
      title: 'requests pass in monitor, in a canary, and on routes for strangers',
      series: ['monitor', 'canary', 'anonymous'].flatMap((kind) =>
        series('fail_open_total', { enforcement_point: 'edge', kind }, steadily(500)),
      ),
      at: 20,
      fires: [],
    },
  ],
} as const

/** The cases of each alert. The compiler asks for every one. */
export const alertCases: { readonly [Name in AlertName]: readonly AlertCase[] } = {
  ...serviceCases,
  ...pointCases,
  ...securityCases,
  ...operationCases,
}
