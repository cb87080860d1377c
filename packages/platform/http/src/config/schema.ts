import { type TObject, type TSchema, Type } from 'typebox'
import { choice, duration, form, integer, item, kind, label, list, path, section, share } from './fields.ts'
import { admission, authority, custody, issuance, services, store, telemetry } from './schema-authority.ts'
import { detection, retention } from './schema-detection.ts'
import { extAuthz } from './schema-ext-authz.ts'
import { forwardAuth } from './schema-forward-auth.ts'
import { gateway } from './schema-gateway.ts'
import { keys } from './schema-keys.ts'
import { policies } from './schema-policies.ts'
import { sidecar } from './schema-sidecar.ts'
import { replay } from './schema-replay.ts'
import { ledger, mirror, trustBeyond } from './schema-ledger.ts'
import { words } from './words.ts'

const trust = section('what verifiers trust, and how fresh it must be', {
  staleAfter: duration({
    description: 'age of the signed state after which nothing is verified any more',
    default: '5m',
    min: '10s',
    max: '7d',
  }),
  rootThumbprints: list(
    form({
      description: 'RFC 7638, SHA-256',
      pattern: '^[A-Za-z0-9_-]{43}$',
      form: 'a thumbprint of 43 base64url characters',
    }),
    { description: 'of the root keys; empty: those of the authority in the same process', maxItems: 16 },
  ),
  rootThreshold: integer({
    description: 'how many of them must have signed the first root document that is taken, at least',
    default: 1,
    minimum: 1,
    maximum: 16,
  }),
  clockTolerance: duration({ description: 'how far clocks may differ', default: '30s', max: '5m' }),
  stateInterval: duration({
    description: 'how often the state is signed where nothing changes',
    default: '5s',
    min: '500ms',
    max: '5m',
  }),
  headInterval: duration({
    description: 'how often it is signed while heads appear',
    default: '500ms',
    min: '50ms',
    max: '10s',
  }),
  bundleTtl: duration({
    description: 'how long a bundle of keys is valid',
    default: '7d',
    min: '1h',
    max: '7d',
  }),
  snapshot: path({
    description: 'a directory where verifiers keep what they verified',
    default: './snapshot',
  }),
  ...trustBeyond,
})

const heads = section('signed heads that no state has listed yet', {
  unanchored: choice(words.unanchored, {
    description:
      'audit: take them, and distrust the key if no state lists them in time; reject; accept: for offline verifiers',
    default: 'audit',
  }),
  listedWithin: duration({ description: 'that time', default: '60s', min: '5s', max: '1h' }),
  reportedAfter: duration({
    description: 'after which the authority is asked about one; it can tell at once',
    default: '5s',
    min: '1s',
    max: '1h',
  }),
  fetchesPerSecond: integer({
    description: 'heads asked for one by one',
    default: 50,
    minimum: 1,
    maximum: 10_000,
  }),
})

// `sampled` leaves most tokens with an attestation at `ok_shallow`, which the built-in policy refuses: a default must not.
const attestations = section('deep checks of the attestation that a token names', {
  deepCheck: choice(words.deepCheck, {
    description: 'of which requests before they are answered; deferred: of none, it follows the answer',
    default: 'always',
  }),
  sampling: share({ description: 'of requests, where sampled; 5% to 20% is usual', default: '10%' }),
  perService: list(
    item(
      { service: kind('service', { description: 'a service of `services`' }) },
      {
        deepCheck: choice(words.deepCheck, { description: 'absent: as above' }),
        sampling: share({ description: 'absent: as above' }),
      },
    ),
    { description: 'for services where it differs', maxItems: 10_000 },
  ),
  incidentSampling: share({
    description: 'of requests, where sampled or deferred, while a security event is open',
    default: '100%',
  }),
  freshFor: duration({ description: 'how long a result is good', default: '24h', min: '1m', max: '30d' }),
  cacheMax: integer({ description: 'results remembered', default: 10_000, minimum: 1, maximum: 1_000_000 }),
})

const fields: Record<string, TSchema> = {
  trustDomain: kind('trust-domain', { description: 'spiffe://<name>', default: 'spiffe://trust.internal' }),
  region: label({ description: 'a label of metrics and decisions', default: 'local' }),
  store,
  custody,
  issuance,
  keys,
  admission,
  services,
  gateway,
  forwardAuth,
  extAuthz,
  sidecar,
  authority,
  ledger,
  mirror,
  trust,
  heads,
  replay,
  attestations,
  verifier: section("the verifier's memory and limits, of each thread", {
    cacheMax: integer({
      description: 'tokens remembered',
      default: 100_000,
      minimum: 0,
      maximum: 10_000_000,
    }),
    pending: integer({
      description: 'verifications that wait for the network or a signature; more are overloaded',
      default: 1_024,
      minimum: 1,
      maximum: 1_000_000,
    }),
    signatures: integer({
      description:
        'signatures that wait to be checked; more are overloaded, those of services of low tier first',
      default: 256,
      minimum: 0,
      maximum: 100_000,
    }),
    signatureWait: duration({
      description: 'how long one waits; after that it is overloaded',
      default: '250ms',
      min: '1ms',
      max: '1m',
    }),
  }),
  policies,
  telemetry,
  detection,
  retention,
}

/** The schema of `quantum-ip.yaml`: every key optional, each with its default where it has one. */
export const configSchema: TObject = Type.Object(
  Object.fromEntries(Object.entries(fields).map(([name, schema]) => [name, Type.Optional(schema)])),
  { additionalProperties: false },
)

/**
 * The JSON Schema (draft 2020-12) of `quantum-ip.yaml`, for editors and other tools.
 *
 * It knows keys, types, forms and defaults. `parseConfig` checks more: amounts against their limits, service IDs
 * against the trust domain, keys against each other.
 */
export function configJsonSchema(): Readonly<Record<string, unknown>> {
  return {
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    $id: 'https://quantum-ip.dev/schema/quantum-ip.json',
    title: 'quantum-ip.yaml',
    description: 'Configuration of Quantum IP',
    ...(JSON.parse(JSON.stringify(configSchema)) as Record<string, unknown>),
  }
}
