import { choice, duration, flag, integer, kind, optionalSection, path, section, share } from './fields.ts'
import { words } from './words.ts'

const traces = section('spans of verifications', {
  share: share({
    description: 'of the traces that begin here; a request that brings a trace keeps to what that says',
    default: '1%',
  }),
  incidentShare: share({
    description: 'of those that are not verified and allowed, while an incident is open',
    default: '100%',
  }),
  perSecond: integer({
    description:
      'spans per second and thread, whatever asks for more: callers choose whether their traces are sampled',
    default: 100,
    minimum: 0,
    maximum: 100_000,
  }),
})

/** What goes to an OpenTelemetry Collector. */
export const otlp = optionalSection(
  'to an OpenTelemetry Collector, by OTLP over HTTP; absent: nothing is sent',
  {
    endpoint: kind('url', {
      description: 'of the Collector; `/v1/metrics`, `/v1/traces` and `/v1/logs` are added',
      default: 'http://127.0.0.1:4318',
    }),
    headersFile: path({
      description:
        'a file with a `name: value` on each line, sent with each request: credentials, for example',
    }),
    caFile: path({
      description: 'PEM certificates that an https endpoint must chain to; absent: those of the system',
    }),
    protocol: choice(words.otlpProtocol, { description: 'how messages are written', default: 'protobuf' }),
    interval: duration({
      description: 'between two sendings of metrics',
      default: '15s',
      min: '1s',
      max: '10m',
    }),
    timeout: duration({
      description: 'of one sending, with its repetitions; also how long stopping waits for what is left',
      default: '5s',
      min: '100ms',
      max: '1m',
    }),
    queue: integer({
      description: 'spans, and records, that wait at once; more are dropped and counted',
      default: 4_096,
      minimum: 1,
      maximum: 1_000_000,
    }),
    metrics: flag({ description: 'send metrics', default: true }),
    logs: flag({ description: 'send decision records and what operators must hear of', default: true }),
    traces,
  },
)
