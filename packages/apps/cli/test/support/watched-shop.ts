import { setTimeout as sleep } from 'node:timers/promises'
import { addTracestateHint } from '@quantum-ip/token'
import { request } from 'undici'
import type { Lab } from '../../src/gameday/lab.ts'
import { names } from '../../src/gameday/lab.ts'
import type { LabAuthority } from '../../src/gameday/lab-authority.ts'
import type { LabGateway } from '../../src/gameday/lab-gateway.ts'
import { freePort } from '../../src/gameday/processes.ts'

const observed = 'spiffe://gameday.example/ns/drill/sa/observed'

/** Three services behind one gateway: a critical one, a lesser one, and one that is only observed. */
export const services = [
  { id: names.shop, owner: 'team-shop', tier: 'critical', stage: 'enforced' },
  { id: names.other, owner: 'team-other', tier: 'standard', stage: 'enforced' },
  { id: observed, owner: 'team-new', tier: 'critical', stage: 'observed' },
] as const

const paths = { [names.shop]: '/shop', [names.other]: '/other', [observed]: '/observed' }

const policy = `apiVersion: quantum-ip.dev/v1
kind: Policy
metadata: { name: default, version: 1 }
spec:
  mode: enforce
  rules: []
  default: { verified: allow, missing: reject, invalid: reject, unverifiable: reject }
`

/** An authority and a gateway as processes, whose metrics can be scraped. */
export interface WatchedShop {
  readonly authority: LabAuthority
  readonly gateway: LabGateway
  readonly targets: { readonly authorities: readonly string[]; readonly gateways: readonly string[] }
}

/** Starts them. */
export async function openWatchedShop(lab: Lab): Promise<WatchedShop> {
  const port = await freePort()
  const authority = await lab.startAuthority({ config: { services: [...services] } })
  const routes = services.map(({ id }) => ({
    match: { path: paths[id] },
    service: id,
    upstream: lab.upstream,
    policy: 'default',
  }))
  const gateway = await lab.startGateway(authority, {
    policy,
    config: {
      services: [...services],
      telemetry: { listen: `127.0.0.1:${port}`, decisions: { verifiedShare: '100%' } },
      // Sheds nothing where the machine of the tests is busy with others.
      gateway: { routes, overload: { delayTarget: '1s', window: '10s' } },
    },
  })
  const targets = {
    authorities: [`127.0.0.1:${authority.port}`],
    gateways: [`127.0.0.1:${port}`],
  }
  return { authority, gateway, targets }
}

/** Calls that go on until it is disposed of, at each service ten a second. */
export interface Traffic extends AsyncDisposable {
  /** Statuses that were answered since the last time. */
  statuses(): readonly number[]
}

/** Begins to call all three services by an address, with good tokens and the hint that one was attached. */
export async function openTraffic(lab: Lab, authority: LabAuthority, url: string): Promise<Traffic> {
  const session = await lab.admit(authority)
  const fields = await Promise.all(
    services.map(async ({ id }) => ({
      path: paths[id],
      headers: {
        ...(await lab.fields(session, { audience: id })),
        tracestate: addTracestateHint('', id),
      },
    })),
  )
  const stopping = new AbortController()
  let statuses: number[] = []
  const running = (async () => {
    while (!stopping.signal.aborted) {
      for (const { path, headers } of fields) {
        const answer = await request(`${url}${path}/1`, { headers }).catch(() => undefined)
        await answer?.body.dump()
        statuses.push(answer?.statusCode ?? 0)
      }
      await sleep(100)
    }
  })()
  return {
    statuses() {
      const seen = statuses
      statuses = []
      return seen
    },
    async [Symbol.asyncDispose]() {
      stopping.abort()
      await running
    },
  }
}

/** Waits until something holds; returns whether it did. */
export async function becomes(
  holds: () => boolean | Promise<boolean>,
  patienceMs = 90_000,
): Promise<boolean> {
  for (const deadline = performance.now() + patienceMs; performance.now() < deadline; await sleep(100)) {
    if (await holds()) return true
  }
  return false
}
