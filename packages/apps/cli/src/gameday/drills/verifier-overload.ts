import { setTimeout as sleep } from 'node:timers/promises'
import { type Drill, DrillFailure } from '../drill.ts'
import { type Flood, startFlood } from '../flood.ts'
import { names } from '../lab.ts'

const report = 'spiffe://gameday.example/ns/drill/sa/report'
const connections = 400
const calls = 100

/** F2: far more requests than a gateway can verify, for a service that matters little. */
export const verifierOverload: Drill = {
  name: 'verifier-overload',
  mode: 'F2',
  title: 'more requests than the gateway can serve',
  needs: [],
  async run(run, lab) {
    const authority = await lab.startAuthority()
    const gateway = await lab.startGateway(authority, {
      config: {
        services: [
          { id: names.shop, tier: 'critical', stage: 'enforced' },
          { id: report, tier: 'low', stage: 'enforced' },
        ],
        gateway: {
          overload: { delayTarget: '5ms' },
          routes: [
            { service: report, upstream: lab.upstream, match: { path: '/reports' } },
            { service: names.shop, upstream: lab.upstream },
          ],
        },
      },
    })
    const checkout = await lab.admit(authority)
    const shop = await lab.fields(checkout)
    const reports = await lab.fields(checkout, { audience: report })
    const shed = (): Promise<number> => gateway.metric('requests_shed_total', `service="${report}"`)
    await run.works('both services are served', async () => {
      const answers = [await lab.call(gateway.url, shop), await lab.call(`${gateway.url}/reports`, reports)]
      return answers.every(({ status }) => status === 200)
    })
    let flood: Flood | undefined
    await run.fault(`${connections} clients call the service of tier \`low\` as fast as they can`, () => {
      flood = startFlood(lab, { url: `${gateway.url}/reports/1`, fields: reports, connections })
    })
    await run.detected(
      'quantum_ip_requests_shed_total rises: 503 with `Retry-After`, before anything is verified',
      async () => {
        return (await shed()) > 0
      },
    )
    const passed = await countPassed(() => lab.call(gateway.url, shop))
    run.step(`${passed} of ${calls} calls of the critical service pass meanwhile`)
    if (passed < calls * 0.99) throw new DrillFailure('calls of the critical service are lost')
    await run.remedy('the flood is stopped where it comes from', async () => {
      const statuses = (await flood?.stop()) ?? {}
      run.step(
        `it got ${Object.entries(statuses)
          .map(([status, count]) => `${count} × ${status}`)
          .join(', ')}`,
      )
    })
    await run.recovered('the service of tier `low` is served again', async () => {
      const before = await shed()
      for (let call = 0; call < 10; call++) {
        if ((await lab.call(`${gateway.url}/reports`, reports)).status !== 200) return false
      }
      return (await shed()) === before
    })
  },
}

async function countPassed(call: () => Promise<{ readonly status: number }>): Promise<number> {
  let passed = 0
  for (let at = 0; at < calls; at++) {
    if ((await call()).status === 200) passed++
    await sleep(20)
  }
  return passed
}
