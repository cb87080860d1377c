import type { Reason, Verdict } from '@quantum-ip/verifier'
import {
  type CompiledPolicy,
  type PolicyEnvironment,
  type FactSource,
  type Facts,
  type PolicyRequest,
  compilePolicy,
  factsOf,
  parsePolicy,
  snapshotFacts,
} from '../src/index.ts'
import { statusByReason } from '../src/verdict-reasons.ts'

export const caller = 'spiffe://acme.example/ns/prod/sa/shop'
export const nowMs = 1_800_000_000_000

export const request: PolicyRequest = {
  method: 'GET',
  host: 'shop.acme.example',
  path: '/api/v1/users/123',
  route: 'shop',
  mtls: null,
  jwt: null,
}

export const environment: PolicyEnvironment = {
  point: 'edge-1',
  region: 'eu-1',
  service: 'spiffe://acme.example/ns/prod/sa/cart',
  tier: 'critical',
  stage: 'enforced',
  incident: false,
  mode: 'enforce',
}

/** A verdict of this reason; authenticated where the reason allows no other thought. */
export function verdictOf(reason: Reason, more: Partial<Verdict> = {}): Verdict {
  const authenticated = more.authenticated ?? statusByReason[reason] === 'verified'
  return {
    status: statusByReason[reason],
    reason,
    authenticated,
    identity: authenticated ? caller : undefined,
    claimedSubject: undefined,
    build: authenticated
      ? {
          digest: new Uint8Array(32).fill(0xab),
          evidence: 'measured',
          builder: 'https://ci.acme.example/release',
          slsaLevel: 3,
          source: 'git+https://git.acme.example/shop',
          builtMs: nowMs - 3_600_500,
        }
      : undefined,
    attestation: undefined,
    chain: authenticated ? [] : undefined,
    binding: 'none',
    requestBound: false,
    oneTime: false,
    deep: reason === 'ok',
    epoch: 7,
    form: 'compact',
    token: undefined,
    issuedS: undefined,
    expiresS: undefined,
    notes: {
      provisionalHead: false,
      reliedOn: undefined,
      unanchoredHead: false,
      staleTrustAccepted: false,
      replayPerInstance: false,
      domainAudience: false,
      retried: false,
      alsoUnverifiable: [],
    },
    timings: { path: 'cold', totalMs: 0 },
    ...more,
  }
}

/** The facts of a verdict of this reason. */
export function sourceOf(
  reason: Reason,
  more: {
    verdict?: Partial<Verdict>
    request?: Partial<PolicyRequest>
    environment?: Partial<PolicyEnvironment>
  } = {},
): FactSource {
  return {
    verdict: verdictOf(reason, more.verdict),
    request: { ...request, ...more.request },
    environment: { ...environment, ...more.environment },
    nowMs,
  }
}

/** The same as facts, with some of them replaced. */
export function facts(reason: Reason, replaced: Partial<Facts> = {}, verdict: Partial<Verdict> = {}): Facts {
  return { ...snapshotFacts(factsOf(sourceOf(reason, { verdict }))), ...replaced }
}

export const closed = { verified: 'allow', missing: 'reject', invalid: 'reject', unverifiable: 'reject' }

/** A policy document with this `spec`, on top of a closed one in enforce mode. */
export function documentOf(spec: Record<string, unknown>): unknown {
  return {
    apiVersion: 'quantum-ip.dev/v1',
    kind: 'Policy',
    metadata: { name: 'sample', version: 3 },
    spec: { mode: 'enforce', default: closed, ...spec },
  }
}

export function policyOf(spec: Record<string, unknown>): CompiledPolicy {
  return compilePolicy(parsePolicy(documentOf(spec)))
}
