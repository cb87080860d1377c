import { systemClock } from '@quantum-ip/base'
import { CallMemory, type GatewayOptions, openGateway } from '../src/index.ts'
import type { CasePoint } from './support/case-reasons.ts'
import { type CaseWorld, casePolicies, caseRoutes } from './support/case-world.ts'
import { runCases } from './support/cases.ts'

async function openPoint(
  world: CaseWorld,
  more: Pick<GatewayOptions, 'onward'> = {},
): Promise<CasePoint & AsyncDisposable> {
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
    ...more,
  })
  const port = gateway.addresses[0]?.port ?? 0
  return {
    port,
    unverifiableStatus: 503,
    webSocket: true,
    grpcPort: port,
    [Symbol.asyncDispose]: () => gateway.close(),
  }
}

runCases('the gateway passes the shared body of cases', (world) => openPoint(world))

// What `qip sidecar` has on its inbound side: the gateway, which remembers the calls that it lets on.
runCases('the inbound side of a sidecar passes the shared body of cases', async (world) => {
  const calls = new CallMemory({ heldMax: 1_000, lifetimeMs: 300_000, clock: systemClock })
  const point = await openPoint(world, { onward: (...passed) => calls.admit(...passed) })
  return { ...point, ownTracestate: /^qip-call=[\w-]{22},/ }
})
