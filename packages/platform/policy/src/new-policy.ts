import { isName } from './lib/forms.ts'

/**
 * The text of a new policy in YAML, with comments: what `qip policy new` writes.
 *
 * It is in mode `monitor`: it decides and records, and lets everything through until its owner has seen what
 * it would do.
 *
 * @throws {TypeError} if `name` cannot name a policy (`a-z`, `0-9`, `-`, `_`, `.`; at most 63 characters).
 */
export function newPolicy(name: string): string {
  if (!isName(name)) throw new TypeError('not a name for a policy: use a-z, 0-9, `-`, `_` and `.`')
  return template.replace('NAME', name)
}

const template = `# A policy decides what happens to a request, from the verdict on its token and other facts.
# Check it with: qip policy check <this file>
apiVersion: quantum-ip.dev/v1
kind: Policy
metadata:
  name: NAME
  version: 1
spec:
  # monitor: decide and record, but let everything through
  # "canary: 5%": carry decisions out for 5 % of the authenticated callers
  # enforce: carry decisions out
  mode: monitor

  # Where quarantined requests go: a named upstream (upstream: sandbox), a limit (rate: 10/s with
  # concurrency: 4), or a share of the service's own limits.
  quarantine:
    share: 1%

  # The first rule whose condition holds decides. Conditions are CEL over facts with flat names; a fact
  # is always present, and null where it is unknown.
  rules:
    - name: unattested-builds
      when: verdict.status == "verified" && (build == null || build.slsaLevel < 3)
      action: quarantine

    # While the registry is away, callers with a proven identity may still read. An action other than
    # reject names the reasons that it is meant for.
    - name: registry-outage
      reasons:
        - attestation_unavailable
        - attestation_stale
      when: request.method == "GET"
      action: allow

  # Where no rule decides.
  default:
    verified: allow
    missing: reject
    invalid: reject
    unverifiable: reject
`
