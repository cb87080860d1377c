import { Type } from 'typebox'
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
  size,
} from './fields.ts'
import { flows } from './schema-flows.ts'
import { overload, tlsFields } from './schema-authority.ts'
import { words } from './words.ts'

const pathForm = {
  pattern: '^/(?!.*(?:^|/)\\.{1,2}(?:/|$))(?!.*//)[^\\s?#%\\\\]*$',
  form: 'a path that begins with `/`, without `..`, `//`, `?`, `#` or `%`',
}

const methods = list(choice(words.method, {}), {
  description: 'absent: any',
  minItems: 1,
  maxItems: 16,
  absent: true,
})

/** Which requests a route takes. */
export const match = Type.Object(
  {
    host: Type.Optional(
      form({
        description: 'the Host of the request; absent: any',
        pattern: '^[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?$',
        form: 'a host name in lower case, without a port',
      }),
    ),
    path: Type.Optional(
      form({ ...pathForm, description: 'a prefix that ends where a segment ends', default: '/' }),
    ),
    methods: Type.Optional(methods),
  },
  { additionalProperties: false, description: 'which requests this route takes', default: {} },
)

/** Requests of a route that pass without a token. */
export const exempt = list(
  item({ path: form({ ...pathForm, description: 'the whole path' }) }, { methods }),
  {
    description: 'requests that pass without a token: health checks, ACME, CORS preflight',
    maxItems: 100,
  },
)

const route = item(
  {
    service: kind('service', { description: 'the service behind it, which tokens must be for' }),
    upstream: kind('origin', { description: '`http://host:port` or `https://host:port`' }),
  },
  {
    match,
    upstreamCaFile: path({
      description: 'PEM certificates that an https upstream must chain to; absent: those of the system',
    }),
    quarantineUpstream: kind('origin', {
      description: 'where quarantined requests go; absent: limited by gateway.quarantine',
    }),
    policy: label({ description: 'the name of a policy; absent: the built-in one, which rejects' }),
    forwardToken: flag({ description: 'leave the token on the request', default: false }),
    standalone: flag({ description: 'take tokens that carry their own signatures', default: false }),
    exempt,
  },
)

const tls = optionalSection('TLS 1.3 of this listener; absent: plain HTTP', {
  ...tlsFields,
  clientCaFile: path({
    description: 'PEM certificates that client certificates must chain to; absent: none is asked for',
  }),
  clientCertificate: choice(words.clientCertificate, {
    description: 'with clientCaFile: whether a client may come without one',
    default: 'optional',
  }),
})

/** How proxies in front tell which certificate a client showed; of every point behind proxies. */
export const forwardedCertificates = optionalSection(
  'where proxies in front end TLS: how they say which certificate a client showed; absent: nobody is believed',
  {
    from: choice(words.certificateSource, {
      description:
        '`xfcc` of Envoy, `nginx` (its variables in X-SSL-Client-Verify and X-SSL-Client-Cert), or `client-cert` (RFC 9440) of HAProxy, Caddy and others',
      default: 'xfcc',
    }),
    peers: list(
      form({
        description: 'a proxy',
        pattern: '^[0-9A-Fa-f.:]{2,45}(?:/[0-9]{1,3})?$',
        form: 'an address or a CIDR block',
      }),
      { description: 'whose word counts; the fields of anybody else are dropped', maxItems: 100 },
    ),
  },
)

const proofs = section(
  'proofs of possession (Workload-Proof-Token) of tokens that are bound to a key; for forwardAuth, too',
  {
    authorities: list(
      form({
        description: 'a name',
        pattern: '^(?:https?://)?[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?(?::[0-9]{1,5})?$',
        form: 'a host name in lower case, its port unless it is that of the scheme, and `https://` before it where a proxy ends TLS',
      }),
      {
        description: 'what callers call the services here; absent: what the Host field says',
        minItems: 1,
        maxItems: 100,
        absent: true,
      },
    ),
  },
)

const retries = section('proxies in front that may send a request again with its one-time token', {
  proxies: list(
    form({
      description: 'a proxy',
      pattern: '^[\\w.:/ @-]{1,512}$',
      form: 'a service ID or common name, of letters, digits and `. : / @ - _`',
    }),
    {
      description: 'service IDs or common names of their client certificates; see replay.retryWindow',
      maxItems: 100,
    },
  ),
  requestId: form({
    description: 'the field with the ID of the request, the same each time',
    pattern: '^[A-Za-z0-9-]{1,64}$',
    form: 'the name of a header field',
    default: 'x-request-id',
  }),
})

/** The gateway. */
export const gateway = section('the gateway', {
  name: label({ description: 'the name of this enforcement point', default: 'gateway' }),
  listen: listen({ description: 'address and port', default: '127.0.0.1:8080' }),
  tls,
  threads: Type.Union([Type.Integer({ minimum: 1, maximum: 256 }), choice(['auto'], {})], {
    description: 'threads on one port, `auto` is one per core; more than one needs Linux or BSD',
    default: 1,
  }),
  detail: choice(words.detail, {
    description: 'how much a refusal tells callers that are not authenticated',
    default: 'public',
  }),
  probes: flag({
    description: 'answer the probes of `qip doctor`, which only operators have tickets for',
    default: true,
  }),
  quarantine: section('quarantined requests, where a route has no quarantineUpstream', {
    inFlight: integer({ description: 'at once, per service', default: 10, minimum: 1, maximum: 100_000 }),
  }),
  overload: overload({ delayTarget: '25ms', window: '100ms' }),
  limits: section('limits, over all threads together', {
    headerBytes: size({ description: 'of one request', default: '32KiB', min: '16KiB', max: '1MiB' }),
    connections: integer({
      description: 'connections at once',
      default: 10_000,
      minimum: 1,
      maximum: 1_000_000,
    }),
    inFlight: integer({
      description: 'requests at once; services of tier standard get 90 % of it at most, low 80 %',
      default: 5_000,
      minimum: 1,
      maximum: 1_000_000,
    }),
    upstreamTimeout: duration({
      description: 'from the end of the request to the beginning of the response',
      default: '60s',
      min: '100ms',
      max: '24h',
    }),
    connectTimeout: duration({ description: 'to reach the upstream', default: '5s', min: '10ms', max: '5m' }),
    idleTimeout: duration({
      description: 'of a connection without a request',
      default: '75s',
      min: '1s',
      max: '1h',
    }),
    stopDeadline: duration({
      description: 'for requests in flight when it stops',
      default: '30s',
      max: '1h',
    }),
  }),
  clientCertificates: forwardedCertificates,
  proofs,
  retries,
  flows,
  routes: list(route, { description: 'the first that matches counts', maxItems: 10_000 }),
})
