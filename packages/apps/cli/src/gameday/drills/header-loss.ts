import { addTracestateHint } from '@quantum-ip/token'
import type { Drill } from '../drill.ts'
import { names } from '../lab.ts'
import { openHaproxy, openNginx } from '../proxies.ts'

/** F3: a proxy on the way takes the token off, another one cuts it. */
export const headerLoss: Drill = {
  name: 'header-loss',
  mode: 'F3',
  title: 'nginx strips the token, HAProxy truncates it',
  needs: ['nginx', 'haproxy'],
  async run(run, lab) {
    const authority = await lab.startAuthority()
    const gateway = await lab.startGateway(authority)
    const nginx = await openNginx(lab, gateway.url)
    const haproxy = await openHaproxy(lab, gateway.url)
    const checkout = await lab.admit(authority)
    // As the client middleware sends it: the hint says that a token was attached.
    const fields = async () => ({
      ...(await lab.fields(checkout)),
      tracestate: addTracestateHint('', names.shop),
    })
    for (const proxy of [nginx, haproxy]) {
      await run.works(`a request by ${proxy === nginx ? 'nginx' : 'HAProxy'} is verified`, async () => {
        return (await lab.call(proxy.url, await fields())).status === 200
      })
    }
    await run.fault(
      'nginx: `proxy_set_header Quantum-IP ""`; HAProxy: the field is cut to 150 characters',
      async () => {
        await nginx.change('proxy_set_header Quantum-IP "";')
        await haproxy.change(String.raw`http-request replace-header quantum-ip '^(.{150}).*$' '\1'`)
      },
    )
    for (const [proxy, reason] of [
      [nginx, 'token_stripped'],
      [haproxy, 'token_truncated'],
    ] as const) {
      await run.detected(`\`${reason}\` in the refusal, in the metrics and at the authority`, async () => {
        const answer = await lab.call(proxy.url, await fields())
        return (
          answer.status === 401 &&
          answer.reason === reason &&
          (await gateway.metric('verifications_total', `reason="${reason}"`)) > 0 &&
          (await authority.reported(reason)).length > 0
        )
      })
    }
    await run.works('the gateway itself goes on: requests that reach it whole pass', async () => {
      return (await lab.call(gateway.url, await fields())).status === 200
    })
    await run.remedy('the proxies pass the field on again', async () => {
      await nginx.change('')
      await haproxy.change('')
    })
    await run.recovered('requests by both proxies are verified', async () => {
      const answers = [await lab.call(nginx.url, await fields()), await lab.call(haproxy.url, await fields())]
      return answers.every(({ status }) => status === 200)
    })
  },
}
