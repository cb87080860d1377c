import { type TSchema } from 'typebox'
import {
  choice,
  duration,
  flag,
  form,
  integer,
  item,
  kind,
  label,
  list,
  listen,
  optionalSection,
  path,
  section,
  share,
} from './fields.ts'
import { mode, tlsFields } from './schema-authority.ts'
import { exempt } from './schema-gateway.ts'
import { words } from './words.ts'

const destination = item(
  {
    host: form({
      description: 'what the application calls it: the Host of its requests',
      pattern: '^[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?(?::[0-9]{1,5})?$',
      form: 'a host name in lower case, and its port unless it is 80',
    }),
    service: kind('service', { description: 'the service that answers there, which tokens are for' }),
  },
  {
    upstream: kind('origin', { description: 'where it is; absent: `http://<host>`' }),
    upstreamCaFile: path({
      description: 'PEM certificates that an https upstream must chain to; absent: those of the system',
    }),
    oneTime: flag({ description: 'a token of its own for each request', default: false }),
    proof: flag({
      description: 'bind tokens to a key of this process, and prove for each request that it is here',
      default: false,
    }),
    chain: choice(words.sidecarChain, {
      description:
        'whether a call names the callers before: kept, where it belongs to an inbound one; required, or it is refused; none',
      default: 'kept',
    }),
  },
)

const outbound = section('calls of the service to others: the sidecar attaches tokens', {
  listen: listen({
    description: 'address and port on the loopback: whoever may connect there calls as this service',
    default: '127.0.0.1:8481',
  }),
  proofKey: choice(words.proofKey, {
    description:
      'algorithm of that key; ML-DSA-44 adds 5 KB to a request, the others a few hundred characters',
    default: 'ML-DSA-44',
  }),
  destinations: list(destination, {
    description: 'which services it calls; with none, nothing listens',
    maxItems: 1_000,
  }),
})

const workload = section('the workload API on a Unix socket: tokens and verdicts for programs', {
  socket: path({ description: 'the Unix socket', default: './workload.sock' }),
  socketMode: form({ ...mode, description: 'who may use that socket', default: '0600' }),
  socketGroup: integer({
    description: 'number of the group that the socket belongs to; 0: that of the process',
    default: 0,
    minimum: 0,
    maximum: 4_294_967_294,
  }),
  connections: integer({ description: 'connections at once', default: 256, minimum: 1, maximum: 100_000 }),
  inFlight: integer({ description: 'requests at once', default: 256, minimum: 1, maximum: 100_000 }),
})

const tokens = section('what tokens are held', {
  warm: list(kind('service', { description: 'a service ID' }), {
    description: 'audiences whose tokens are held from the start, beside those of outbound destinations',
    maxItems: 256,
  }),
  audiences: integer({
    description:
      'audiences beside those, for which tokens are held at once; the longest unused one gives way',
    default: 64,
    minimum: 1,
    maximum: 10_000,
  }),
  drawFirst: integer({
    description: 'one-time tokens of a first draw; it grows and shrinks with the demand',
    default: 16,
    minimum: 1,
    maximum: 1_000,
  }),
  drawMax: integer({ description: 'at most in one draw', default: 1_000, minimum: 1, maximum: 1_000 }),
  lowWater: share({ description: 'drawn anew when fewer are left than this of a draw', default: '50%' }),
})

const calls = section('inbound calls that are remembered, so that outbound ones can extend their chain', {
  held: integer({
    description: 'at once; the oldest gives way',
    default: 10_000,
    minimum: 1,
    maximum: 1_000_000,
  }),
  lifetime: duration({
    description: 'how long one is remembered, but never beyond the end of its token',
    default: '5m',
    min: '1s',
    max: '1h',
  }),
})

/** The sidecar. */
export const sidecar: TSchema = section(
  'the sidecar of one service; limits, overload and quarantine of its inbound side are those of gateway',
  {
    name: label({ description: 'the name of this enforcement point', default: 'sidecar' }),
    service: kind('service', { description: 'the service beside which it runs' }),
    upstream: kind('origin', {
      description: 'where the service listens; absent: nobody calls it, and nothing listens for callers',
    }),
    listen: listen({ description: 'address and port for callers', default: '127.0.0.1:8480' }),
    tls: optionalSection('TLS 1.3 for callers; absent: plain HTTP', tlsFields),
    detail: choice(words.detail, {
      description: 'how much a refusal tells callers that are not authenticated',
      default: 'public',
    }),
    policy: label({ description: 'the name of a policy; absent: the built-in one, which rejects' }),
    standalone: flag({ description: 'take tokens that carry their own signatures', default: false }),
    exempt,
    outbound,
    workload,
    tokens,
    calls,
  },
)
