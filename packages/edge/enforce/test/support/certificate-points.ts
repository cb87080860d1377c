import type { CertificateSource } from '@quantum-ip/point'
import { openGateway } from '../../src/index.ts'
import { type CaseWorld, casePolicies } from './case-world.ts'
import { openForwardCases } from './forward-cases.ts'

/** A point that listens on the loopback. */
export type OpenedPoint = { readonly port: number } & AsyncDisposable

/** A gateway that believes the proxies of this machine about the certificates of their clients. */
export async function openCertificateGateway(
  world: CaseWorld,
  from: CertificateSource,
): Promise<OpenedPoint> {
  const gateway = await openGateway({
    point: 'edge-1',
    listeners: [{ clientCertificates: { from, peers: ['127.0.0.1'] } }],
    verifier: world.verifier,
    policies: casePolicies,
    decisions: world.decisions,
    // TLS ends before it: nothing else says that callers write `https`.
    proofAuthorities: ['https://shop.acme.example'],
    routes: [
      { match: {}, service: world.domain.shop, policy: 'enforced', upstream: { url: world.service.url } },
    ],
    timeouts: { stopMs: 100 },
  })
  return { port: gateway.addresses[0]?.port ?? 0, [Symbol.asyncDispose]: () => gateway.close() }
}

/** A forward authentication endpoint that does. */
export function openCertificateForward(world: CaseWorld, from: CertificateSource): Promise<OpenedPoint> {
  return openForwardCases(world, { clientCertificates: { from, peers: ['127.0.0.1'] } })
}
