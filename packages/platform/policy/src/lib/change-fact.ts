import { trustDomainOf } from '@quantum-ip/base'
import type { FactName, FactValue, Facts } from '../facts.ts'
import { sampleFacts } from '../sample-facts.ts'
import { isReason, statusByReason } from '../verdict-reasons.ts'

/**
 * Facts with one of them changed, and whatever follows from it: nobody is told to change a status without its reason, or the level of a build
 * that is not there.
 */
export function changeFact(facts: Facts, name: FactName, value: FactValue): Facts {
  const changed = { ...facts, [name]: value } as Facts
  if (name === 'verdict.reason') return withReason(changed, String(value))
  if (name === 'verdict.deep') return withDeep(changed)
  if (name === 'identity') return withIdentity(changed)
  if (name === 'build') return value === null ? withoutBuild(changed) : withBuild(changed)
  if (name.startsWith('build.') && changed.build === null && value !== null && value !== 0)
    return withBuild(changed)
  if (name === 'request.jwt') {
    const issuer = value === null ? null : (changed['request.jwt.issuer'] ?? 'https://issuer.example.org')
    return { ...changed, 'request.jwt.issuer': issuer }
  }
  if (name === 'request.jwt.issuer' && value !== null) {
    return { ...changed, 'request.jwt': changed['request.jwt'] ?? 'subject' }
  }
  return changed
}

function withReason(facts: Facts, reason: string): Facts {
  if (!isReason(reason)) return facts
  const status = statusByReason[reason]
  const base = {
    ...facts,
    'verdict.status': status,
    'verdict.deep': reason === 'ok' || (reason !== 'ok_shallow' && facts['verdict.deep']),
    ...(reason === 'ok' && { 'verdict.alsoUnverifiable': [] }),
  }
  if (status === 'verified') return withIdentity({ ...base, 'verdict.authenticated': true })
  if (status !== 'missing') return base
  return withoutBuild({
    ...base,
    'verdict.authenticated': false,
    identity: null,
    'identity.trustDomain': null,
    'identity.chain': [],
  })
}

function withDeep(facts: Facts): Facts {
  const reason = facts['verdict.reason']
  if (reason === 'ok' && !facts['verdict.deep']) return { ...facts, 'verdict.reason': 'ok_shallow' }
  if (reason === 'ok_shallow' && facts['verdict.deep']) return { ...facts, 'verdict.reason': 'ok' }
  return facts
}

// An authenticated caller has an identity; one that is only imagined, a plausible one.
function withIdentity(facts: Facts): Facts {
  if (!facts['verdict.authenticated']) return facts
  const identity = facts.identity ?? sampleFacts().identity
  return { ...facts, identity, 'identity.trustDomain': identity === null ? null : trustDomainOf(identity) }
}

const buildFacts = [
  'build',
  'build.binding',
  'build.builder',
  'build.slsaLevel',
  'build.source',
  'build.revision',
  'build.ageS',
  'build.attestationAgeS',
] as const satisfies readonly FactName[]

function withoutBuild(facts: Facts): Facts {
  const none = sampleFacts({ build: null })
  return { ...facts, ...Object.fromEntries(buildFacts.map((name) => [name, none[name]])) }
}

// A build that is known is one of an attestation; what was known of it stays.
function withBuild(facts: Facts): Facts {
  const sample = sampleFacts()
  const known = buildFacts.map((name) => [
    name,
    facts[name] === null || facts[name] === 0 ? sample[name] : facts[name],
  ])
  return { ...facts, ...Object.fromEntries(known) }
}
