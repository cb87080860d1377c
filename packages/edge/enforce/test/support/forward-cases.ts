import type { Component } from '../../../../../scripts/real-components.ts'
import { type ForwardAuthOptions, type ListenerOptions, openForwardAuth } from '../../src/index.ts'
import { type CaseWorld, casePolicies, caseRoutes } from './case-world.ts'
import { runCases } from './cases.ts'
import type { OpenGuideProxy } from './guide-proxies.ts'

/** What an endpoint for the shared body of cases is opened with, but for who verifies. */
export function forwardOptions(
  service: string,
): Pick<ForwardAuthOptions, 'point' | 'listeners' | 'routes' | 'timeouts'> {
  return {
    point: 'forward-1',
    listeners: [{}],
    routes: caseRoutes.map(({ path, policy, exempt }) => ({
      match: { path },
      service,
      policy,
      exempt,
      quarantine: 'routed' as const,
    })),
    timeouts: { stopMs: 100 },
  }
}

/** A forward authentication endpoint for the shared body of cases. */
export async function openForwardCases(
  world: CaseWorld,
  listener: ListenerOptions = {},
): Promise<{ readonly port: number } & AsyncDisposable> {
  const endpoint = await openForwardAuth({
    ...forwardOptions(world.domain.shop),
    listeners: [listener],
    verifier: world.verifier,
    policies: casePolicies,
    decisions: world.decisions,
  })
  return {
    port: endpoint.addresses[0]?.port ?? 0,
    [Symbol.asyncDispose]: () => endpoint.close(),
  }
}

/** Runs the shared body of cases against a proxy with the configuration of its guide. */
export function runForwardCases(title: string, proxy: Component, open: OpenGuideProxy): void {
  runCases(
    title,
    async (world) => {
      await using opened = new AsyncDisposableStack()
      const endpoint = opened.use(await openForwardCases(world))
      const point = opened.use(await open(proxy, world, endpoint.port))
      const closing = opened.move()
      return { ...point, [Symbol.asyncDispose]: () => closing.disposeAsync() }
    },
    { skip: proxy.skip },
  )
}
