import { type ListenerOptions, openForwardAuth } from '../../src/index.ts'
import { type CaseWorld, casePolicies, caseRoutes } from './case-world.ts'

/** A forward authentication endpoint for the shared body of cases. */
export async function openForwardCases(
  world: CaseWorld,
  listener: ListenerOptions = {},
): Promise<{ readonly port: number } & AsyncDisposable> {
  const endpoint = await openForwardAuth({
    point: 'forward-1',
    listeners: [listener],
    verifier: world.verifier,
    policies: casePolicies,
    decisions: world.decisions,
    routes: caseRoutes.map(({ path, policy, exempt }) => ({
      match: { path },
      service: world.domain.shop,
      policy,
      exempt,
      quarantine: 'routed' as const,
    })),
    timeouts: { stopMs: 100 },
  })
  return {
    port: endpoint.addresses[0]?.port ?? 0,
    [Symbol.asyncDispose]: () => endpoint.close(),
  }
}
