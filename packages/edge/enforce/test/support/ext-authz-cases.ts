import { type ExtAuthzOptions, openExtAuthz } from '../../src/ext-authz.ts'
import { type CaseWorld, casePolicies, caseRoutes } from './case-world.ts'

/** A server of ext_authz over gRPC for the shared body of cases. */
export async function openExtAuthzCases(
  world: CaseWorld,
  options: Partial<ExtAuthzOptions> = {},
): Promise<{ readonly port: number } & AsyncDisposable> {
  const server = await openExtAuthz({
    point: 'ext-authz-1',
    listeners: [{}],
    verifier: world.verifier,
    policies: casePolicies,
    decisions: world.decisions,
    timeouts: { stopMs: 100 },
    ...options,
    routes: [
      ...caseRoutes.map(({ path, policy, exempt }) => ({
        match: { path },
        service: world.domain.shop,
        policy,
        exempt,
        quarantine: 'routed' as const,
      })),
      ...(options.routes ?? []),
    ],
  })
  return {
    port: server.addresses[0]?.port ?? 0,
    [Symbol.asyncDispose]: () => server.close(),
  }
}
