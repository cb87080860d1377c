import {
  actionPlaces,
  deepCheckPlaces,
  enginePlaces,
  eventPlaces,
  exportOutcomePlaces,
  failOpenPlaces,
  flowCutPlaces,
  flowRefusalPlaces,
  headFetchPlaces,
  incidentSeverityPlaces,
  modePlaces,
  operationPlaces,
  pathPlaces,
  reasons,
  replayFaultPlaces,
  replayFloorPlaces,
  replayPlaces,
  schemes,
  shedPlaces,
  securityEventKinds,
  sourcePlaces,
  signalPlaces,
  statusByReason,
  tiers,
  windowKindPlaces,
} from './closed-sets.ts'
import {
  outboundPlaces,
  tokenOutcomePlaces,
  tokenWayPlaces,
  workloadOperationPlaces,
  workloadOutcomePlaces,
} from './sidecar-sets.ts'
import { TelemetryError } from './telemetry-errors.ts'

/**
 * The closed set that one or more labels of a metric come from: a series has one row of it.
 *
 * `status` follows from `reason`, so both are one dimension of 26 rows, not two of 104.
 */
export interface Dimension {
  /** Names of the labels. */
  readonly labels: readonly string[]
  /** One row of values for each place. */
  readonly rows: readonly (readonly string[])[]
}

/** The sets that come from a process's configuration. A service or policy that is not listed counts as `other`. */
export interface ConfiguredSets {
  /** Service IDs. */
  readonly service?: readonly string[]
  /** Names of the enforcement points in this process. */
  readonly enforcement_point?: readonly string[]
  readonly region?: string | null
  /** Names of policies. */
  readonly policy?: readonly string[]
  /** Who owns each service, and how much depends on it: what alerts are routed by. One row for each service. */
  readonly service_info?: readonly ServiceInfo[]
}

/** A service as configuration declares it. */
export interface ServiceInfo {
  readonly service: string
  /** Empty where nobody is named. */
  readonly owner: string
  readonly tier: string
  readonly stage: string
}

function one(label: string, values: readonly string[]): Dimension {
  return { labels: [label], rows: values.map((value) => [value]) }
}

/** The uses of keys: which key a series is about, without a label that grows with each rotation. */
export const keyUses = [
  'root',
  'bundle',
  'qip-token',
  'qip-jwt',
  'qip-log',
  'qip-build',
  'qip-policy',
  'qip-feed',
  'qip-kem',
] as const

/** The states of keys. */
export const keyStates = ['planned', 'published', 'active', 'retiring', 'retired', 'compromised'] as const

/** What a candidate may say instead of what is done. */
export const policyDifferences: readonly (readonly [from: string, to: string])[] = Object.keys(
  actionPlaces,
).flatMap((from) =>
  Object.keys(actionPlaces).flatMap((to): readonly (readonly [string, string])[] =>
    from === to ? [] : [[from, to]],
  ),
)

const fixed = {
  outcome: {
    labels: ['status', 'reason'],
    rows: reasons.map((reason) => [statusByReason[reason], reason]),
  },
  reason: one('reason', reasons),
  path: one('path', Object.keys(pathPlaces)),
  action: one('action', Object.keys(actionPlaces)),
  difference: { labels: ['from', 'to'], rows: policyDifferences },
  mode: one('mode', Object.keys(modePlaces)),
  source: one('source', Object.keys(sourcePlaces)),
  deep_check: one('outcome', Object.keys(deepCheckPlaces)),
  head_fetch: one('outcome', Object.keys(headFetchPlaces)),
  adjudication: one('outcome', ['false_positive', 'confirmed']),
  event: one('kind', Object.keys(eventPlaces)),
  security_event: one('kind', securityEventKinds),
  engine_outcome: one('outcome', Object.keys(enginePlaces)),
  fail_open: one('kind', Object.keys(failOpenPlaces)),
  shed_cause: one('cause', Object.keys(shedPlaces)),
  tier: one('tier', tiers),
  flow_refusal: one('cause', Object.keys(flowRefusalPlaces)),
  flow_cut: one('cause', Object.keys(flowCutPlaces)),
  replay: one('outcome', Object.keys(replayPlaces)),
  replay_fault: one('fault', Object.keys(replayFaultPlaces)),
  replay_cause: one('cause', Object.keys(replayFloorPlaces)),
  operation: one('operation', Object.keys(operationPlaces)),
  scheme: one('scheme', [...schemes, 'other']),
  cache: one('cache', ['token', 'head', 'attestation']),
  key: one('key', keyUses),
  key_state: one('state', keyStates),
  key_operation: one('operation', ['sign', 'open']),
  incident_severity: one('severity', Object.keys(incidentSeverityPlaces)),
  window_kind: one('window_kind', Object.keys(windowKindPlaces)),
  signal: one('signal', Object.keys(signalPlaces)),
  export_outcome: one('outcome', Object.keys(exportOutcomePlaces)),
  folded_label: one('label', ['service', 'policy']),
  token_way: one('way', Object.keys(tokenWayPlaces)),
  token_outcome: one('outcome', Object.keys(tokenOutcomePlaces)),
  outbound: one('outcome', Object.keys(outboundPlaces)),
  workload_operation: one('operation', Object.keys(workloadOperationPlaces)),
  workload_outcome: one('outcome', Object.keys(workloadOutcomePlaces)),
  form: one('form', ['compact', 'standalone', 'reference', 'jwt']),
} satisfies Record<string, Dimension>

/** Names of the sets that configuration gives. */
export type ConfiguredDimension = 'service' | 'enforcement_point' | 'region' | 'policy' | 'service_info'

/** Name of a dimension. */
export type DimensionName = keyof typeof fixed | ConfiguredDimension

/** Where values land that a configured set does not have. */
export const otherValue = 'other'

const valueCharsMax = 512

/**
 * The dimension of this name, with the configured sets of a process.
 *
 * @throws {TelemetryError} `QIP_TELEMETRY_LABEL_MALFORMED` if a configured set is not one.
 */
export function dimensionOf(name: DimensionName, sets: ConfiguredSets): Dimension {
  if (name === 'region') return one(name, configured(name, [sets.region ?? '']))
  if (name === 'enforcement_point') return one(name, configured(name, sets.enforcement_point ?? []))
  if (name === 'service' || name === 'policy') {
    return one(name, [...configured(name, sets[name] ?? []), otherValue])
  }
  if (name === 'service_info') return serviceInfo(sets.service_info ?? [])
  return fixed[name]
}

/** Owner, tier and stage follow from the service: a series for each service, not for each combination. */
function serviceInfo(infos: readonly ServiceInfo[]): Dimension {
  configured(
    'service_info',
    infos.map(({ service }) => service),
  )
  // An owner may be called `other`, unlike a service: nothing lands under an owner that was not counted there.
  for (const { owner } of infos) if (owner !== otherValue) configured('service_info', [owner])
  const rows = infos.map(({ service, owner, tier, stage }) => [service, owner, tier, stage])
  return { labels: ['service', 'owner', 'tier', 'stage'], rows }
}

function configured(label: ConfiguredDimension, values: readonly string[]): readonly string[] {
  const wrong = values.find(
    (value) => value === otherValue || value.length > valueCharsMax || !value.isWellFormed(),
  )
  if (wrong !== undefined) {
    const reason =
      wrong === otherValue ? `\`${otherValue}\` is taken` : `a value is longer than ${valueCharsMax}`
    throw new TelemetryError('QIP_TELEMETRY_LABEL_MALFORMED', { label, reason })
  }
  if (new Set(values).size !== values.length) {
    throw new TelemetryError('QIP_TELEMETRY_LABEL_MALFORMED', { label, reason: 'a value is there twice' })
  }
  return values
}

/**
 * Finds the place of a value of a dimension with one label. What a set with `other` does not have is there.
 *
 * @throws {TypeError} for a value that a set without `other` does not have.
 */
export function placesIn(dimension: Dimension): (value: string) => number {
  const places = new Map(dimension.rows.map(([value = ''], place) => [value, place]))
  const other = places.get(otherValue)
  return (value) => {
    const place = places.get(value) ?? other
    if (place === undefined) throw new TypeError(`not a value of \`${dimension.labels.join()}\``)
    return place
  }
}
