import { trustDomainOf, type ServiceId } from '@quantum-ip/base'
import type { Reason } from '@quantum-ip/verifier'
import type { Facts } from './facts.ts'
import { statusByReason } from './verdict-reasons.ts'

const caller = 'spiffe://example.org/ns/default/sa/caller' as ServiceId
const service = 'spiffe://example.org/ns/default/sa/service'

const attested = {
  build: 'ab'.repeat(32),
  'build.binding': 'measured',
  'build.builder': 'https://ci.example.org/release',
  'build.slsaLevel': 3,
  'build.source': 'git+https://git.example.org/caller',
  'build.revision': 'c0ffee',
  'build.ageS': 3_600,
  'build.attestationAgeS': 3_500,
} as const satisfies Partial<Facts>

const unknownBuild = {
  build: null,
  'build.binding': null,
  'build.builder': null,
  'build.slsaLevel': 0,
  'build.source': null,
  'build.revision': null,
  'build.ageS': null,
  'build.attestationAgeS': null,
} as const satisfies Partial<Facts>

/**
 * Facts of a plausible request, with those of `replaced` in their place: what tests of policies are written over.
 *
 * Whatever follows from a replaced fact follows: with `verdict.reason` the status, whether the caller is authenticated and whether the
 * attestation was checked; with `identity` or `build` that is null, everything about it. Without a word it is a `GET /` of an authenticated
 * caller with an attested build of SLSA level 3. `env.timeS` is 0 unless it is given: no exception holds.
 */
export function sampleFacts(replaced: Partial<Facts> = {}): Facts {
  const reason = (replaced['verdict.reason'] ?? 'ok') as Reason
  const authenticated = replaced['verdict.authenticated'] ?? statusByReason[reason] === 'verified'
  const identity = replaced.identity === undefined ? (authenticated ? caller : null) : replaced.identity
  const hasBuild = replaced.build === undefined ? authenticated : replaced.build !== null
  return {
    'verdict.status': statusByReason[reason],
    'verdict.reason': reason,
    'verdict.authenticated': authenticated,
    'verdict.deep': reason === 'ok',
    'verdict.oneTime': reason === 'ok_retry',
    'verdict.retried': reason === 'ok_retry',
    'verdict.requestBound': false,
    'verdict.binding': 'none',
    'verdict.epoch': 1,
    'verdict.alsoUnverifiable': [],
    'verdict.provisionalHead': false,
    'verdict.unanchoredHead': false,
    'verdict.staleTrustAccepted': false,
    'verdict.replayPerInstance': false,
    'verdict.domainAudience': false,
    identity,
    'identity.trustDomain': identity === null ? null : trustDomainOf(identity),
    'identity.chain': [],
    ...(hasBuild ? attested : unknownBuild),
    'request.method': 'GET',
    'request.host': 'service.example.org',
    'request.path': '/',
    'request.route': 'service',
    'request.mtls': null,
    'request.jwt': null,
    'request.jwt.issuer': typeof replaced['request.jwt'] === 'string' ? 'https://issuer.example.org' : null,
    'env.point': 'edge-1',
    'env.region': null,
    'env.service': service,
    'env.tier': null,
    'env.stage': 'enforced',
    'env.incident': false,
    'env.timeS': 0,
    'env.mode': 'enforce',
    ...replaced,
  }
}
