import { headerNames, parseMerkleToken } from '@quantum-ip/token'
import { type Drill, DrillFailure } from '../drill.ts'

/** The authority dies in the middle of its work, as by `kill -9` or a power cut. */
export const authorityCrash: Drill = {
  name: 'authority-crash',
  title: 'the authority dies while it issues, and is started again',
  needs: [],
  async run(run, lab) {
    const authority = await lab.startAuthority()
    const gateway = await lab.startGateway(authority)
    const checkout = await lab.admit(authority)
    const passes = async (fields: Readonly<Record<string, string>>): Promise<boolean> =>
      (await lab.call(gateway.url, fields)).status === 200
    const held = await lab.fields(checkout)
    await run.works('tokens are issued and verified', () => passes(held))
    await run.until(
      'the gateway judges one-time tokens',
      async () => (await gateway.status())['ready'] === true,
    )
    const once = await lab.fields(checkout, { oneTime: true })
    let highest = 0
    const over = new AbortController()
    const issuing = Array.from({ length: 4 }, async () => {
      while (!over.signal.aborted) {
        const fields = await lab.fields(checkout).catch(() => undefined)
        if (fields === undefined) return
        highest = Math.max(highest, parseMerkleToken(fields[headerNames.token] ?? '').index)
      }
    })
    await run.until('tokens are issued', () => highest > 50)
    await run.fault('the authority is killed while four clients draw tokens', () => authority.kill())
    await run.detected('it does not answer, and the gateway has lost its feed', async () => {
      return (await gateway.status())['mode'] !== 'feed'
    })
    over.abort()
    await Promise.all(issuing)
    await run.works('the gateway goes on verifying, one-time tokens once', async () => {
      return (await passes(held)) && (await passes(once)) && !(await passes(once))
    })
    await run.works('a gateway that is restarted meanwhile serves from its snapshot', async () => {
      await gateway.restart()
      return passes(held)
    })
    await run.remedy('the authority is started', () => authority.start())
    await run.recovered(
      'tokens are issued and verified again; the session of the workload is still good',
      async () => {
        return passes(await lab.fields(checkout))
      },
    )
    const asked = ['--trust-authority', '--authority', `unix:${authority.socket}`]
    const { size } = await lab.qip(['ledger', 'verify', 'tokens/1', ...asked])
    run.step(
      `the log is whole: ${size as number} entries; the highest index that was acknowledged is ${highest}`,
    )
    if ((size as number) <= highest) throw new DrillFailure('acknowledged tokens are lost')
  },
}
