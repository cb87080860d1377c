/**
 * The text of a table of cases for the policy that {@link newPolicy} writes, in YAML with comments: what `qip policy new --tests`
 * writes beside it.
 */
export function newPolicyTests(policyFile: string): string {
  return template.replace('POLICY', JSON.stringify(policyFile))
}

const template = `# What the policy is to decide. Run it with: qip policy test <this file>
apiVersion: quantum-ip.dev/v1
kind: PolicyTests
policy: POLICY

# A case replaces facts of a plausible request: GET / by an authenticated caller with an attested build of SLSA level 3.
# What follows from a fact follows: with \`verdict.reason\` the status, with \`build: null\` everything about the build.
# \`at\` is the time of the request: exceptions hold only in cases that have one.
cases:
  - name: attested callers pass
    expect: allow

  - name: builds below SLSA level 3 are quarantined
    facts: { build.slsaLevel: 2 }
    expect: { action: quarantine, rule: unattested-builds }

  - name: callers without a build are quarantined
    facts: { build: null }
    expect: { action: quarantine, rule: unattested-builds }

  - name: while the registry is away, proven callers may read
    facts: { verdict.reason: attestation_unavailable, verdict.authenticated: true }
    expect: { action: allow, rule: registry-outage }

  - name: while the registry is away, nobody writes
    facts: { verdict.reason: attestation_unavailable, verdict.authenticated: true, request.method: POST }
    expect: { action: reject, reason: default }

  - name: callers without a token are refused
    facts: { verdict.reason: token_absent }
    expect: { action: reject, reason: default }

  - name: expired tokens are refused
    facts: { verdict.reason: token_expired }
    expect: reject
`
