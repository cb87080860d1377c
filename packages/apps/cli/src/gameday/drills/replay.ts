import { headerNames } from '@quantum-ip/token'
import type { Drill } from '../drill.ts'

/** F4: somebody who reads along sends a one-time token again, and has one that lives longer. */
export const replay: Drill = {
  name: 'replay',
  mode: 'F4',
  title: 'a captured token is sent again',
  needs: [],
  async run(run, lab) {
    const authority = await lab.startAuthority()
    const gateway = await lab.startGateway(authority)
    const checkout = await lab.admit(authority)
    let once: Readonly<Record<string, string>> = {}
    await run.works('a one-time token passes', async () => {
      once = await lab.fields(checkout, { oneTime: true })
      return (await lab.call(gateway.url, once)).status === 200
    })
    const often = await lab.fields(checkout)
    let answered = ''
    await run.fault('the captured one-time token is sent again', async () => {
      answered = (await lab.call(gateway.url, once)).reason
    })
    await run.detected('`token_replayed` in the refusal, in the metrics and at the authority', async () => {
      return (
        answered === 'token_replayed' &&
        (await gateway.metric('verifications_total', 'reason="token_replayed"')) > 0 &&
        (await authority.reported('token_replayed')).length > 0
      )
    })
    await run.works('the workload is not disturbed: its next one-time token passes', async () => {
      return (await lab.call(gateway.url, await lab.fields(checkout, { oneTime: true }))).status === 200
    })
    await run.works('a captured token that is not one-time passes, until it ends or is revoked', async () => {
      return (await lab.call(gateway.url, often)).status === 200
    })
    await run.remedy('`qip revoke token` of the captured one', () => {
      const token = often[headerNames.token] ?? ''
      const asked = ['--reason', 'captured', '--authority', `unix:${authority.socket}`]
      return lab.qip(['revoke', 'token', token, ...asked])
    })
    await run.recovered('it is refused: `token_revoked`', async () => {
      return (await lab.call(gateway.url, often)).reason === 'token_revoked'
    })
  },
}
