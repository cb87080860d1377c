import { type CompiledPolicy, type Facts, compilePolicy, parsePolicy, sampleFacts } from '@quantum-ip/policy'

function policyOf(spec: Record<string, unknown>): CompiledPolicy {
  return compilePolicy(
    parsePolicy({
      apiVersion: 'quantum-ip.dev/v1',
      kind: 'Policy',
      metadata: { name: 'sample', version: 1 },
      spec: {
        mode: 'enforce',
        default: { verified: 'allow', missing: 'reject', invalid: 'reject', unverifiable: 'reject' },
        ...spec,
      },
    }),
  )
}

/** A policy of seven rules as people write them, in CEL. */
export const celPolicy = policyOf({
  rules: [
    {
      name: 'incident',
      when: 'env.incident && env.tier == "critical" && !verdict.requestBound',
      action: 'reject',
    },
    {
      name: 'admin-writes',
      when: 'request.path.startsWith("/admin") && !(request.method in ["GET", "HEAD"])',
      action: 'reject',
    },
    {
      name: 'unattested',
      when: 'verdict.status == "verified" && (build == null || build.slsaLevel < 3)',
      action: 'quarantine',
    },
    { name: 'old-builds', when: 'build.ageS != null && build.ageS > 30 * 24 * 3600', action: 'quarantine' },
    {
      name: 'foreign-hops',
      when: '!identity.chain.all(hop, hop.startsWith("spiffe://example.org/"))',
      action: 'reject',
    },
    { name: 'legacy-api', when: 'request.path.matches("^/api/v[01]/")', action: 'quarantine' },
    {
      name: 'registry-outage',
      when: 'request.method == "GET" && env.tier != "critical"',
      reasons: ['attestation_unavailable'],
      action: 'allow',
    },
  ],
})

/**
 * The frame of the same policy in Rego. What no engine could let through it is not asked about: there the defaults reject, where a rule in CEL
 * may reject first.
 */
export const regoPolicy = policyOf({ engine: { name: 'central', reasons: ['attestation_unavailable'] } })

/** The same policy in Rego. */
export const regoText = `package quantum_ip

# The first rule whose condition holds decides; where none does, nothing is said, and the defaults decide. A rule in CEL that quarantines
# speaks for verified callers only, unless it names others: here that is written out.
decision := {"action": "reject", "rule": "incident"} if {
  input["env.incident"]
  input["env.tier"] == "critical"
  not input["verdict.requestBound"]
} else := {"action": "reject", "rule": "admin-writes"} if {
  startswith(input["request.path"], "/admin")
  not input["request.method"] in {"GET", "HEAD"}
} else := {"action": "quarantine", "rule": "unattested"} if {
  input["verdict.status"] == "verified"
  unattested
} else := {"action": "quarantine", "rule": "old-builds"} if {
  input["verdict.status"] == "verified"
  input["build.ageS"] != null
  input["build.ageS"] > ((30 * 24) * 3600)
} else := {"action": "reject", "rule": "foreign-hops"} if {
  some hop in input["identity.chain"]
  not startswith(hop, "spiffe://example.org/")
} else := {"action": "quarantine", "rule": "legacy-api"} if {
  input["verdict.status"] == "verified"
  regex.match(\`^/api/v[01]/\`, input["request.path"])
} else := {"action": "allow", "rule": "registry-outage"} if {
  input["verdict.reason"] == "attestation_unavailable"
  input["request.method"] == "GET"
  input["env.tier"] != "critical"
}

unattested if input.build == null

unattested if input["build.slsaLevel"] < 3
`

// Mulberry32: the same inputs in every run.
function drawing(seed: number): <Value>(from: readonly Value[]) => Value {
  let state = seed
  return (from) => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)
    return from[((mixed ^ (mixed >>> 14)) >>> 0) % from.length] as (typeof from)[number]
  }
}

const day = 86_400

/** Facts that every rule and every default meets. */
export function drawFacts(count: number, seed = 1): readonly Facts[] {
  const draw = drawing(seed)
  return Array.from({ length: count }, (): Facts => {
    const reason = draw([
      'ok',
      'ok',
      'ok',
      'ok_retry',
      'attestation_unavailable',
      'token_absent',
      'token_expired',
    ])
    const authenticated =
      reason === 'attestation_unavailable' ? { 'verdict.authenticated': draw([true, false]) } : {}
    return sampleFacts({
      'verdict.reason': reason,
      ...authenticated,
      ...draw([{}, {}, {}, { build: null }]),
      ...draw([{}, {}, {}, { 'build.slsaLevel': draw([0, 1, 2, 4]) }]),
      'build.ageS': draw([null, 0, day, 30 * day, 30 * day + 1, 90 * day]),
      'verdict.requestBound': draw([true, false]),
      'identity.chain': draw([
        [],
        [],
        ['spiffe://example.org/ns/a/sa/b'],
        ['spiffe://example.org/a', 'spiffe://other.org/b'],
      ]),
      'request.method': draw(['GET', 'HEAD', 'POST', 'DELETE']),
      'request.path': draw([
        '/',
        '/admin',
        '/admin/users',
        '/adm',
        '/api/v0/x',
        '/api/v1/x',
        '/api/v2/x',
        '/ä"\\\n',
      ]),
      'env.incident': draw([false, false, false, true]),
      'env.tier': draw([null, 'critical', 'standard']),
    })
  })
}
