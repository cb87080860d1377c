import { type TSchema, Type } from 'typebox'
import { decisions } from './schema-decisions.ts'
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
import { otlp } from './schema-otlp.ts'
import { words } from './words.ts'

/** The keys of TLS of a listener. */
export const tlsFields = {
  certificateFile: path({ description: 'PEM certificate chain, leaf first' }),
  keyFile: path({ description: 'PEM private key of the leaf' }),
  selfSigned: flag({
    description: 'make a certificate at start, for clients that are given it',
    default: false,
  }),
  keyExchange: choice(words.keyExchange, {
    description: 'whether X25519MLKEM768 is taken where the client has it, or demanded',
    default: 'preferred',
  }),
}

/** TLS of a listener. */
export const tls = optionalSection('TLS 1.3 of this listener; absent: plain HTTP', tlsFields)

/** Where the authority keeps its ground state. */
export const store = section('where the authority keeps its ground state; one of sqlite and postgres', {
  sqlite: path({ description: 'a directory; the default is ./data' }),
  postgres: optionalSection('PostgreSQL, or what speaks its protocol', {
    urlFile: path({ description: 'a file with the connection URL' }),
    connectionsMax: integer({ description: 'connections at once', default: 10, minimum: 1, maximum: 1_000 }),
    requireSynchronous: flag({
      description: 'refuse to start where a commit does not wait for a standby; else it is only told',
      default: false,
    }),
    instance: optionalSection('one of several authorities on this database (`qip serve --role authority`)', {
      name: form({
        description: 'a name of its own, under which it issues; absent: the name of the host',
        pattern: '^[a-z0-9][a-z0-9.-]{0,62}$',
        form: 'a name of lower case letters, digits, `.` and `-`',
      }),
      listen: listen({
        description:
          'where other instances reach it while it leads; off the loopback it needs `authority.tls`',
        default: '127.0.0.1:7601',
      }),
      url: kind('origin', { description: 'where other instances reach that; absent: where it listens' }),
      caFile: path({
        description: 'PEM certificates that instances trust for each other; absent: those of the system',
      }),
    }),
    directory: path({
      description:
        'what is this process’s own beside the database: the first admin credential, new root keys',
      default: './data',
    }),
  }),
  highWater: path({
    description:
      'where the highest signed position of each log is kept; outside the store and its backups, so that a restored store is noticed',
    default: './high-water',
  }),
})

const serviceFields = {
  prefix: label({ description: 'what the names of keys begin with there', default: 'quantum-ip' }),
  timeout: duration({
    description: 'for one request, with what its repetitions take',
    default: '10s',
    min: '100ms',
    max: '2m',
  }),
}

/** Where private keys live. */
export const custody = section('where private keys live', {
  directory: path({ description: 'a directory of sealed files with mode 0600', default: './keys' }),
  passphraseFile: path({
    description:
      'a file with mode 0600 with the passphrase of the directory; absent: one is drawn and kept in `<directory>.passphrase`',
  }),
  systemdCredential: form({
    description: 'the passphrase as a credential that systemd hands in (LoadCredentialEncrypted=)',
    pattern: '^[A-Za-z0-9_.-]{1,255}$',
    form: 'the name of a credential',
  }),
  awsKms: optionalSection(
    'AWS KMS for the bundle keys and the keys of attestation logs; all others stay in the directory',
    {
      region: form({
        description: 'such as eu-central-1',
        pattern: '^[a-z0-9-]{1,32}$',
        form: 'a region of AWS',
      }),
      endpoint: kind('origin', { description: 'another address than that of the region: a VPC endpoint' }),
      ...serviceFields,
    },
  ),
  googleKms: optionalSection('Google Cloud KMS, for the same keys', {
    keyRing: form({
      description: 'the key ring, which is there already',
      pattern: '^projects/[^/\\s]+/locations/[^/\\s]+/keyRings/[^/\\s]+$',
      form: '`projects/…/locations/…/keyRings/…`',
    }),
    protection: choice(words.protection, { description: 'where keys are kept there', default: 'software' }),
    endpoint: kind('origin', { description: "another address than Google's: a private endpoint" }),
    ...serviceFields,
  }),
  vault: optionalSection('the transit engine of HashiCorp Vault, for the same keys', {
    url: kind('origin', { description: 'its address' }),
    tokenFile: path({
      description: 'a file with its token, read for each request, so that an agent may renew it',
    }),
    mount: form({
      description: 'where the engine is mounted',
      pattern: '^[A-Za-z0-9_/-]{1,128}$',
      form: 'a path without a slash at either end',
      default: 'transit',
    }),
    namespace: form({
      description: 'the namespace; absent: none',
      pattern: '^[A-Za-z0-9_/-]{1,128}$',
      form: 'a namespace of Vault',
    }),
    caFile: path({ description: 'PEM certificates to trust for that address; absent: those of the system' }),
    ...serviceFields,
  }),
})

/** How tokens are issued. */
export const issuance = section('how tokens are issued', {
  tokenTtl: duration({ description: 'how long a token is valid', default: '300s', min: '1s', max: '1h' }),
  oneTimeTtl: duration({
    description: 'how long a one-time token is valid',
    default: '60s',
    min: '1s',
    max: '120s',
  }),
  batchMax: integer({
    description: 'tokens under one signature',
    default: 1_024,
    minimum: 1,
    maximum: 65_536,
  }),
  batchInterval: duration({
    description: 'no batch begins sooner than this after the last one began; 0s: at once',
    default: '20ms',
    max: '1s',
  }),
  refreshWait: duration({
    description: 'how long a refresh-ahead request may wait to share a batch',
    default: '1s',
    max: '10s',
  }),
  tokenCharsMax: integer({
    description: 'characters of an issued token',
    default: 2_048,
    minimum: 512,
    maximum: 4_096,
  }),
  hybrid: flag({ description: 'sign heads with Ed25519 beside ML-DSA-44', default: false }),
  jwt: section('the JWT form, for other JOSE libraries', {
    enabled: flag({ description: 'issue it where a request asks for it', default: false }),
    algorithm: choice(words.jwtAlgorithm, { description: 'of its own signing key', default: 'ML-DSA-44' }),
  }),
})

const demand = choice(words.demand, { description: 'whether its build needs a good attestation' })

/** Who is admitted as which service. */
export const admission: TSchema = section('who is admitted as which service', {
  requireAttestation: Type.Union(
    [
      demand,
      Type.Array(item({ service: kind('service-pattern', { description: 'a pattern' }), demand }, {}), {
        maxItems: 1_000,
      }),
    ],
    {
      description:
        'whether a build needs a good attestation: one word for all, or a list by service of which the first match counts',
      default: 'warn',
    },
  ),
  sessionTtl: duration({ description: 'how long an admission lasts', default: '1h', min: '1m', max: '24h' }),
  joinTokenTtl: duration({
    description: 'how long a join token may be used',
    default: '10m',
    min: '10s',
    max: '7d',
  }),
  builders: list(
    item(
      {
        id: form({
          description: 'an absolute URI',
          pattern: '^[a-z][a-z0-9+.-]*:\\S+$',
          form: 'an absolute URI',
        }),
        keyFiles: Type.Array(path({ description: 'a public JWK' }), {
          description: 'files with its public keys',
          minItems: 1,
          maxItems: 8,
        }),
      },
      {
        slsaLevel: integer({
          description:
            'SLSA build level that you grant this builder; what its statements claim counts for nothing',
          default: 0,
          minimum: 0,
          maximum: 3,
        }),
      },
    ),
    { description: 'who may sign attestations; all keys of a builder must have signed', maxItems: 1_000 },
  ),
  rules: list(
    item(
      {
        service: kind('service-pattern', { description: 'which services' }),
        builder: kind('pattern', { description: 'made by which builder' }),
      },
      {
        source: kind('pattern', { description: 'from which source' }),
        subject: kind('pattern', { description: 'as which artifact' }),
        ref: kind('pattern', { description: 'from which revision, such as `refs/tags/*`' }),
        slsaLevel: integer({
          description: 'the least SLSA build level',
          default: 0,
          minimum: 0,
          maximum: 3,
        }),
      },
    ),
    { description: 'which builder, source and subject may be which service', maxItems: 1_000 },
  ),
})

/** Services that the trust domain knows. */
export const services = list(
  item(
    { id: kind('service', { description: 'a service ID' }) },
    {
      owner: form({
        description: 'who answers for it',
        pattern: '^[\\w.@ /-]{1,128}$',
        form: 'a name of letters, digits and `. @ / - _`',
      }),
      tier: choice(words.tier, { description: 'how much depends on it', default: 'standard' }),
      stage: choice(words.stage, { description: 'how far its enforcement is', default: 'observed' }),
      acceptDomainAudience: flag({
        description: 'whether a bound token for the whole trust domain is good here',
        default: false,
      }),
    },
  ),
  { description: 'the services of this trust domain', maxItems: 10_000 },
)

/** Permission bits of a Unix socket. */
export const mode = { pattern: '^0[0-7]{3}$', form: 'permission bits in quotes, such as `"0600"`' }

/** When requests are shed by delay. */
export function overload(defaults: { readonly delayTarget: string; readonly window: string }): TSchema {
  return section('when requests are shed, those that matter least first', {
    delayTarget: duration({
      description: 'how late a thread may be with its work before it sheds requests',
      default: defaults.delayTarget,
      min: '1ms',
      max: '10s',
    }),
    window: duration({
      description: 'how long it must be that late all the time',
      default: defaults.window,
      min: '20ms',
      max: '10s',
    }),
  })
}

/** The authority's server. */
export const authority = section('the server of the authority', {
  listen: listen({
    description: 'address and port; off the loopback it needs tls',
    default: '127.0.0.1:7600',
  }),
  tls,
  socket: path({ description: 'the Unix socket of the local admin', default: './authority.sock' }),
  socketMode: form({ ...mode, description: 'who may use that socket', default: '0600' }),
  url: kind('origin', { description: 'where members reach it; absent: where it listens' }),
  caFile: path({
    description: 'PEM certificates that clients trust for that URL; absent: those of the system',
  }),
  limits: section('limits', {
    connections: integer({
      description: 'connections at once',
      default: 10_000,
      minimum: 1,
      maximum: 1_000_000,
    }),
    inFlight: integer({ description: 'requests at once', default: 1_000, minimum: 1, maximum: 100_000 }),
    requestTimeout: duration({ description: 'for one request', default: '30s', min: '1s', max: '10m' }),
    stopDeadline: duration({
      description: 'for requests in flight when it stops',
      default: '10s',
      max: '10m',
    }),
  }),
  overload: overload({ delayTarget: '100ms', window: '200ms' }),
  feed: section('the feed of state, heads and revocations', {
    clients: integer({ description: 'verifiers at once', default: 1_000, minimum: 1, maximum: 100_000 }),
    clientBytes: size({
      description: 'unsent bytes after which one is dropped',
      default: '4MiB',
      min: '64KiB',
      max: '1GiB',
    }),
    events: integer({
      description: 'events kept for those who resume',
      default: 2_048,
      minimum: 16,
      maximum: 1_000_000,
    }),
    keepAlive: duration({
      description: 'a comment is sent after so long',
      default: '15s',
      min: '1s',
      max: '5m',
    }),
  }),
})

/** The decision log and what else is measured. */
export const telemetry = section('what is measured and recorded', {
  series: integer({
    description:
      'time series of this process at most; services and policies beyond that are counted as `other`',
    default: 2_000,
    minimum: 1_000,
    maximum: 1_000_000,
  }),
  metrics: flag({ description: 'serve /metrics at the authority', default: true }),
  listen: listen({
    description:
      'where an enforcement point serves /metrics, to anybody who gets there; absent: on its operators’ socket only',
  }),
  otlp,
  decisions,
})
