import { openGateway } from '../src/index.ts'
import { casePolicies, caseRoutes } from './support/case-world.ts'
import { runCases } from './support/cases.ts'

runCases('the gateway passes the shared body of cases', async (world) => {
  const { shop } = world.domain
  const gateway = await openGateway({
    point: 'edge-1',
    listeners: [{ http2: true }],
    verifier: world.verifier,
    policies: casePolicies,
    decisions: world.decisions,
    quarantineUpstreams: new Map([['jail', { url: world.jail.url }]]),
    routes: [
      ...caseRoutes.map(({ path, policy, exempt }) => ({
        match: { path },
        service: shop,
        policy,
        exempt,
        upstream: { url: world.service.url },
      })),
      {
        match: { path: '/shop.Cart' },
        service: shop,
        policy: 'enforced',
        upstream: { url: world.grpc.url, http2: true },
      },
    ],
    timeouts: { stopMs: 100 },
  })
  const port = gateway.addresses[0]?.port ?? 0
  return {
    port,
    unverifiableStatus: 503,
    webSocket: true,
    grpcPort: port,
    [Symbol.asyncDispose]: () => gateway.close(),
  }
})
