import type { Verdict } from '@quantum-ip/verifier'
import { hex, trustDomainOf } from '@quantum-ip/base'
import type { PolicyMode } from './document.ts'
import { allReasons, allStatuses } from './verdict-reasons.ts'

/** What a policy may know of a request. Texts are empty where the enforcement point has no such thing. */
export interface PolicyRequest {
  readonly method: string
  /** Host as the point routed by it, lower case, without port. */
  readonly host: string
  /** The path that is forwarded: without query, and exactly what the upstream will see. */
  readonly path: string
  /** Name of the route. */
  readonly route: string
  /** Who the verified client certificate names. */
  readonly mtls: string | null
  /** Subject of a JWT that the point itself verified, and who issued it. */
  readonly jwt: { readonly subject: string; readonly issuer: string } | null
}

/** What a policy may know of the place where it decides. */
export interface PolicyEnvironment {
  /** Name of the enforcement point. */
  readonly point: string
  readonly region: string | null
  /** Service ID of the service that is called. */
  readonly service: string
  readonly tier: string | null
  readonly stage: 'observed' | 'onboarding' | 'enforced'
  /** Whether an incident is open. */
  readonly incident: boolean
  /** Mode of the policy that is active here. */
  readonly mode: PolicyMode
}

/** All that facts are read from. */
export interface FactSource {
  readonly verdict: Verdict
  readonly request: PolicyRequest
  readonly environment: PolicyEnvironment
  /** Milliseconds since 1970. */
  readonly nowMs: number
}

/** What a fact of each type is in code. A `list` is a list of strings, an `int` a whole number within ±2^53. */
export interface FactValues {
  readonly bool: boolean
  readonly int: number
  readonly string: string
  readonly list: readonly string[]
}

/** What a fact can be. */
export type FactValue = FactValues[keyof FactValues] | null

/** Types of facts. */
export type FactType = keyof FactValues

/** One row of the schema of facts. */
export interface FactRow<Type extends FactType = FactType, Nullable extends boolean = boolean> {
  readonly type: Type
  /** Whether it is null where it is unknown. The others always have a value. */
  readonly nullable: Nullable
  /** One sentence for the reference page. */
  readonly meaning: string
  /** Reads it. A fact that no condition asks for is never read. */
  readonly of: (source: FactSource) => FactValues[Type] | (Nullable extends true ? null : never)
  /** The closed set that a string comes from. */
  readonly values?: readonly string[]
  /** Most elements of a list: what bounds the cost of a loop over it. */
  readonly sizeMax?: number
  /** Facts that tell that this one is not null: where one of them is true or not null. */
  readonly knownWith?: readonly string[]
}

type More = Pick<FactRow, 'values' | 'sizeMax' | 'knownWith'>

function always<Type extends FactType>(
  type: Type,
  meaning: string,
  of: FactRow<Type, false>['of'],
  more?: More,
): FactRow<Type, false> {
  return { type, nullable: false, meaning, of, ...more }
}

function orNull<Type extends FactType>(
  type: Type,
  meaning: string,
  of: FactRow<Type, true>['of'],
  more?: More,
): FactRow<Type, true> {
  return { type, nullable: true, meaning, of, ...more }
}

function ageS(nowMs: number, thenMs: number | undefined): number | null {
  return thenMs === undefined ? null : Math.max(0, Math.floor((nowMs - thenMs) / 1000))
}

const modes = ['monitor', 'canary', 'enforce'] as const satisfies readonly PolicyMode[]

/**
 * The closed schema of facts: flat dotted names, each always present, null only where `nullable`.
 *
 * Conditions are type-checked against it, facts are bound from it, and the reference page is written
 * from it ({@link factsReference}).
 */
export const factSchema = {
  'verdict.status': always('string', 'How the verification ended.', ({ verdict }) => verdict.status, {
    values: allStatuses,
  }),
  'verdict.reason': always('string', 'Why, out of the closed table.', ({ verdict }) => verdict.reason, {
    values: allReasons,
  }),
  'verdict.authenticated': always(
    'bool',
    'Whether key, head and proof held: the caller is who `identity` says.',
    ({ verdict }) => verdict.authenticated,
  ),
  'verdict.deep': always(
    'bool',
    'Whether the attestation behind the token was checked. A rule that reads this fact accepts `ok_shallow` by name.',
    ({ verdict }) => verdict.deep,
  ),
  'verdict.oneTime': always(
    'bool',
    'Whether the token is good for one use only.',
    ({ verdict }) => verdict.oneTime,
  ),
  'verdict.retried': always(
    'bool',
    'Whether a one-time token came again, as the retry that configuration allows.',
    ({ verdict }) => verdict.notes.retried,
  ),
  'verdict.requestBound': always(
    'bool',
    'Whether the token was bound to this very request.',
    ({ verdict }) => verdict.requestBound,
  ),
  'verdict.binding': always('string', 'What else the token was bound to.', ({ verdict }) => verdict.binding, {
    values: ['none', 'certificate', 'proof_key'],
  }),
  'verdict.epoch': always(
    'int',
    'Revocation epoch of the state that decided.',
    ({ verdict }) => verdict.epoch,
  ),
  'verdict.alsoUnverifiable': always(
    'list',
    'Further reasons of status unverifiable that hold besides `verdict.reason`.',
    ({ verdict }) => verdict.notes.alsoUnverifiable,
    { sizeMax: 8 },
  ),
  'verdict.provisionalHead': always(
    'bool',
    'Whether the head is signed but not yet listed in a signed state.',
    ({ verdict }) => verdict.notes.provisionalHead,
  ),
  'verdict.unanchoredHead': always(
    'bool',
    'Whether a head counted that no signed state listed.',
    ({ verdict }) => verdict.notes.unanchoredHead,
  ),
  'verdict.staleTrustAccepted': always(
    'bool',
    'Whether trust older than allowed was accepted by configuration.',
    ({ verdict }) => verdict.notes.staleTrustAccepted,
  ),
  'verdict.replayPerInstance': always(
    'bool',
    'Whether one-time tokens are unique per instance only.',
    ({ verdict }) => verdict.notes.replayPerInstance,
  ),
  'verdict.domainAudience': always(
    'bool',
    'Whether the token is for the whole trust domain.',
    ({ verdict }) => verdict.notes.domainAudience,
  ),
  identity: orNull('string', 'Service ID of the caller, proven.', ({ verdict }) => verdict.identity ?? null, {
    knownWith: ['verdict.authenticated'],
  }),
  'identity.trustDomain': orNull(
    'string',
    'Its trust domain, `spiffe://name`.',
    ({ verdict }) => (verdict.identity === undefined ? null : trustDomainOf(verdict.identity)),
    { knownWith: ['identity'] },
  ),
  'identity.chain': always(
    'list',
    'Service IDs of the earlier hops of the call, oldest first: who was in it, never who was not.',
    ({ verdict }) => verdict.chain?.map(({ sid }) => sid) ?? [],
    { sizeMax: 8 },
  ),
  build: orNull(
    'string',
    'SHA-256 of the build that the caller runs, in lowercase hexadecimal.',
    ({ verdict }) => (verdict.build === undefined ? null : hex(verdict.build.digest)),
  ),
  'build.binding': orNull(
    'string',
    'How it was established that the caller runs this build.',
    ({ verdict }) => verdict.build?.evidence ?? null,
    { values: ['declared', 'platform', 'measured', 'hardware'], knownWith: ['build'] },
  ),
  'build.builder': orNull(
    'string',
    'URI of the builder, from the checked attestation.',
    ({ verdict }) => verdict.build?.builder ?? null,
  ),
  'build.slsaLevel': always(
    'int',
    'SLSA build level that the builder was granted; 0 where no attestation was checked.',
    ({ verdict }) => verdict.build?.slsaLevel ?? 0,
  ),
  'build.source': orNull(
    'string',
    'URI of the source repository, from the checked attestation.',
    ({ verdict }) => verdict.build?.source ?? null,
  ),
  'build.revision': orNull(
    'string',
    'Revision of the source, from the checked attestation.',
    ({ verdict }) => verdict.build?.revision ?? null,
  ),
  'build.ageS': orNull('int', 'Seconds since the build ended, from the checked attestation.', (source) =>
    ageS(source.nowMs, source.verdict.build?.builtMs),
  ),
  'build.attestationAgeS': orNull('int', 'Seconds since the attestation entered its log.', (source) =>
    ageS(source.nowMs, source.verdict.build?.attestedMs),
  ),
  'request.method': always('string', 'Method, as it arrived.', ({ request }) => request.method),
  'request.host': always('string', 'Host, lower case, without port.', ({ request }) => request.host),
  'request.path': always(
    'string',
    'Path without query, exactly as the upstream will see it.',
    ({ request }) => request.path,
  ),
  'request.route': always('string', 'Name of the route.', ({ request }) => request.route),
  'request.mtls': orNull(
    'string',
    'Who the verified client certificate names.',
    ({ request }) => request.mtls,
  ),
  'request.jwt': orNull(
    'string',
    'Subject of a JWT that the enforcement point verified.',
    ({ request }) => request.jwt?.subject ?? null,
  ),
  'request.jwt.issuer': orNull(
    'string',
    'Issuer of that JWT.',
    ({ request }) => request.jwt?.issuer ?? null,
    {
      knownWith: ['request.jwt'],
    },
  ),
  'env.point': always('string', 'Name of the enforcement point.', ({ environment }) => environment.point),
  'env.region': orNull('string', 'Region of the enforcement point.', ({ environment }) => environment.region),
  'env.service': always(
    'string',
    'Service ID of the service that is called.',
    ({ environment }) => environment.service,
  ),
  'env.tier': orNull('string', 'Tier of the service.', ({ environment }) => environment.tier),
  'env.stage': always('string', 'Stage of the service.', ({ environment }) => environment.stage, {
    values: ['observed', 'onboarding', 'enforced'],
  }),
  'env.incident': always('bool', 'Whether an incident is open.', ({ environment }) => environment.incident),
  'env.timeS': always(
    'int',
    'Time of the decision by the clock of the enforcement point, seconds since 1970: what exceptions end by.',
    ({ nowMs }) => Math.floor(nowMs / 1000),
  ),
  'env.mode': always(
    'string',
    'Mode of the policy that is active here.',
    ({ environment }) => environment.mode,
    {
      values: modes,
    },
  ),
} as const satisfies Record<string, FactRow>

type Schema = typeof factSchema

/** Name of a fact. */
export type FactName = keyof Schema

/** The facts of one request. */
export type Facts = {
  readonly [Name in FactName]:
    | FactValues[Schema[Name]['type']]
    | (Schema[Name]['nullable'] extends true ? null : never)
}

/** Every fact's name, in the order of the schema. */
export const factNames: readonly FactName[] = Object.keys(factSchema) as FactName[]

/** Whether `text` names a fact. */
export function isFactName(text: string): text is FactName {
  return Object.hasOwn(factSchema, text)
}

/** The row of a fact, for readers that handle all facts alike. */
export function factRow(name: FactName): FactRow {
  return factSchema[name]
}
