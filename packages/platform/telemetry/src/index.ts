export { type ExportObserver, exportObserver } from './export-observer.ts'
export { type OutboxOptions, type TelemetryBatch, TelemetryOutbox } from './telemetry-outbox.ts'
export { TraceSampler, type TraceSampling } from './trace-sampler.ts'
export {
  type ExportOutcome,
  type FailOpen,
  type FlowCutCause,
  type FlowRefusalCause,
  type IncidentSeverity,
  type MeasuredOperation,
  type SecurityEventKind,
  type ShedCause,
  type TelemetrySignal,
  type WindowKind,
  incidentSeverities,
  reasons as verdictReasons,
  securityEventKinds,
  windowKinds,
} from './closed-sets.ts'
export { type DecisionIdParts, formatDecisionId, parseDecisionId, parsePoint } from './decision-id.ts'
export {
  DecisionLog,
  type DecisionLogObserver,
  type DecisionLogOptions,
  type DecisionSink,
} from './decision-log.ts'
export {
  type DecisionInput,
  type DecisionOrigin,
  type DecisionRecord,
  type LogRecord,
  type SealedPart,
  type SealKeyRecord,
  type SuppressionCause,
  type SuppressionRecord,
  decisionRecord,
  formatRecord,
} from './decision-record.ts'
export { failOpensOf } from './fail-opens.ts'
export {
  DecisionRedaction,
  type RedactableField,
  type RedactionMethod,
  type RedactionOptions,
  redactableFields,
} from './decision-redaction.ts'
export {
  DecisionSeals,
  type DecisionSealsOptions,
  type OpenedPart,
  openSealKey,
  openSealedPart,
} from './decision-seals.ts'
export { DecisionRing, type RecentDecision } from './decision-ring.ts'
export {
  type ConfiguredSets,
  type Dimension,
  type DimensionName,
  type ServiceInfo,
  dimensionOf,
  keyUses,
  otherValue,
  policyDifferences,
} from './dimensions.ts'
export { type SidecarObserver, sidecarObserver } from './sidecar-observer.ts'
export { type Exemplar, Exemplars } from './exemplars.ts'
export {
  formatMetrics,
  formatOpenMetrics,
  metricPrefix,
  metricsMediaType,
  openMetricsMediaType,
} from './exposition.ts'
export { type FlowMetricsObserver, flowObserver } from './flow-observer.ts'
export {
  authorityMetrics,
  budgetMetrics,
  enforcementMetrics,
  engineMetrics,
  flowMetrics,
  otlpMetrics,
  replayStoreMetrics,
  sidecarMetrics,
} from './metric-roles.ts'
export {
  type MetricName,
  type MetricNameOf,
  type MetricRow,
  metricNames,
  metricRow,
  metricTable,
} from './metric-table.ts'
export { type MetricsPage, type MetricsPageSource, metricsPage } from './metrics-page.ts'
export {
  type Counter,
  type Gauge,
  type Histogram,
  Metrics,
  type MetricsOptions,
  seriesMaxDefault,
} from './metrics.ts'
export {
  type LoadObserver,
  type ObserverPlace,
  cryptoObserver,
  decisionLogObserver,
  engineObserver,
  loadObserver,
  policyObserver,
  verifierObserver,
} from './observers.ts'
export { PolicyReplay, type ReplayChange, type ReplayReport, type ReplayedCaller } from './policy-replay.ts'
export {
  type HistogramPoint,
  type Labels,
  type MetricFamily,
  type NumberPoint,
  readMetrics,
} from './read-metrics.ts'
export {
  type AttributeValue,
  type MeasuredVerification,
  type Span,
  type SpanExporter,
  type VerifySpanInput,
  verifySpan,
} from './span.ts'
export { TelemetryError, type TelemetryErrorDetails } from './telemetry-errors.ts'
export {
  type ContinuedTrace,
  type TraceContext,
  continueTrace,
  formatTraceparent,
  parseTraceparent,
} from './trace-context.ts'
export { LocalLog, type LocalLogStatus } from './local-log/local-log.ts'
export type { LocalLogOptions, StreamLimits } from './local-log/local-log-options.ts'
export { readLocalLog } from './local-log/read-local-log.ts'
export type { LogBatch } from './local-log/take-batch.ts'
export {
  type FactsOfRecord,
  type RecordedFacts,
  factsOfRecord,
  personalFacts,
  personalFactsOf,
} from './recorded-facts.ts'
export { type ReplayStoreObserver, replayStoreObserver } from './replay-observer.ts'
export { type LevelSample, readSamples } from './slo/read-samples.ts'
export {
  budgetPeriodMs,
  burnEscalation,
  type BurnPair,
  burnPairs,
  type BurnUrgency,
  type BurnWindow,
  burnWindows,
  decideBurn,
  isBurning,
  type SharesByWindow,
} from './slo/burn-alerts.ts'
export {
  budgetOf,
  burnRate,
  type ErrorBudget,
  errorBudget,
  type Outlook,
  type Share,
  timeToExhaustion,
} from './slo/error-budget.ts'
export {
  type KeptLevels,
  LevelCounter,
  type LevelReport,
  levelReportJson,
  type LevelShares,
} from './slo/level-counter.ts'
export { CountHistory, type KeptHistory } from './slo/count-history.ts'
export { countSamples } from './slo/count-samples.ts'
export {
  type Counted,
  type LevelCounts,
  type LevelId,
  levelMetrics,
  type Matching,
  type ServiceLevel,
  serviceLevel,
  serviceLevels,
  unattributableReasons,
} from './slo/service-levels.ts'
export { enforcedQuery, levelQuery } from './slo/level-queries.ts'
export { type LevelStanding, levelStanding } from './slo/level-standing.ts'
