import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { headerNames, parseMerkleToken } from '@quantum-ip/token'
import { type Drill, DrillFailure } from '../drill.ts'
import { LabPostgres } from '../postgres.ts'
import { openTcpRelay } from '../tcp-relay.ts'

/** The database server dies under the authority, and its synchronous standby takes over under the same address. */
export const postgresFailover: Drill = {
  name: 'postgres-failover',
  title: 'the PostgreSQL primary dies, and its synchronous standby takes over',
  needs: ['postgres'],
  async run(run, lab) {
    const primary = await LabPostgres.open(lab)
    const standby = await primary.openStandby(lab)
    // What a virtual address or a pooler does: the authority knows one address.
    const address = await openTcpRelay(lab, primary.port)
    const urlFile = join(lab.folder, 'postgres-url')
    await writeFile(urlFile, `postgres://qip@${new URL(address.url).host}/qip`, { mode: 0o600 })
    const authority = await lab.startAuthority({
      config: { store: { postgres: { urlFile, requireSynchronous: true } } },
    })
    const gateway = await lab.startGateway(authority)
    const checkout = await lab.admit(authority)
    let highest = 0
    const draw = async (): Promise<Readonly<Record<string, string>>> => {
      const fields = await lab.fields(checkout)
      const { index } = parseMerkleToken(fields[headerNames.token] ?? '')
      highest = Math.max(highest, index)
      return fields
    }
    const passes = async (fields: Readonly<Record<string, string>>): Promise<boolean> =>
      (await lab.call(gateway.url, fields)).status === 200
    await run.works('tokens are issued and verified', async () => passes(await draw()))
    const held = await draw()
    for (let token = 0; token < 20; token++) await draw()
    const acknowledged = highest
    await run.fault('the primary is killed', () => primary.kill())
    await run.detected('the authority refuses to issue: 503, the store is unavailable', async () => {
      return draw().then(
        () => false,
        (error: unknown) => /unavailable/.test(String(error)),
      )
    })
    await run.works('the gateway goes on verifying', () => passes(held))
    await run.remedy('the standby is promoted, and the address leads to it', async () => {
      await standby.promote()
      address.lead(standby.port)
    })
    await run.recovered('tokens are issued and verified, without a restart of anything', async () =>
      passes(await draw()),
    )
    const asked = ['--trust-authority', '--authority', `unix:${authority.socket}`]
    const { size } = await lab.qip(['ledger', 'verify', 'tokens/1', ...asked])
    run.step(`the log is whole: ${String(size)} entries, ${acknowledged} were acknowledged before`)
    if (Number(size) <= acknowledged) throw new DrillFailure('acknowledged tokens are lost')
  },
}
