import type { Drill } from '../drill.ts'
import { names } from '../lab.ts'
import { openTcpRelay } from '../tcp-relay.ts'

const staleAfterS = 10

/** A gateway loses its authority: first nothing happens, then it closes. */
export const feedPartition: Drill = {
  name: 'feed-partition',
  title: 'a gateway cannot reach the authority',
  needs: [],
  async run(run, lab) {
    const authority = await lab.startAuthority()
    const relay = await openTcpRelay(lab, authority.port)
    const gateway = await lab.startGateway(authority, {
      authorityUrl: relay.url,
      // Default 5 min; shorter, so that the drill sees the end of it.
      config: { trust: { staleAfter: `${staleAfterS}s` } },
    })
    const checkout = await lab.admit(authority)
    const victim = await lab.admit(authority, names.other)
    const held = await lab.fields(checkout)
    const stolen = await lab.fields(victim)
    const statusOf = async (fields: Readonly<Record<string, string>>): Promise<number> =>
      (await lab.call(gateway.url, fields)).status
    await run.works('requests are verified', async () => {
      return (await statusOf(held)) === 200 && (await statusOf(stolen)) === 200
    })
    await run.fault('the network between gateway and authority is cut', () => relay.cut())
    await run.detected(
      'the gateway lost its feed, and its trust is older than any state should be (quantum_ip_trust_snapshot_age_seconds > 7)',
      async () => {
        const { mode } = await gateway.status()
        return mode !== 'feed' && (await gateway.metric('trust_snapshot_age_seconds')) > 7
      },
    )
    await run.works('tokens from before are verified', async () => (await statusOf(held)) === 200)
    await run.works('tokens issued since, which bring their head along, are verified', async () => {
      return (await statusOf(await lab.fields(checkout))) === 200
    })
    const asked = ['--reason', 'drill', '--wait', '0s', '--authority', `unix:${authority.socket}`]
    await lab.qip(['revoke', 'identity', names.other, ...asked])
    run.step('a service is revoked meanwhile: the gateway cannot know')
    await run.detected(`after ${staleAfterS} s it trusts nothing any more: \`trust_stale\``, async () => {
      return (await lab.call(gateway.url, held)).reason === 'trust_stale'
    })
    await run.remedy('the network is there again', () => relay.mend())
    await run.recovered('requests are verified, and what was revoked meanwhile is refused', async () => {
      const { reason } = await lab.call(gateway.url, stolen)
      return (await statusOf(await lab.fields(checkout))) === 200 && reason === 'identity_revoked'
    })
  },
}
