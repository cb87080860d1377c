/**
 * A policy document for `createQuantumIp`, enforced: verified callers pass and everybody else is refused, unless `spec` says otherwise.
 *
 * @example
 * testPolicy({ rules: [{ name: 'suspect', when: 'verdict.status == "verified"', action: 'quarantine' }] })
 */
export function testPolicy(spec: Readonly<Record<string, unknown>> = {}): object {
  return {
    apiVersion: 'quantum-ip.dev/v1',
    kind: 'Policy',
    metadata: { name: 'test', version: 1 },
    spec: {
      mode: 'enforce',
      default: { verified: 'allow', missing: 'reject', invalid: 'reject', unverifiable: 'reject' },
      ...spec,
    },
  }
}
