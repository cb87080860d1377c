import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { JsonObject } from '@quantum-ip/base'
import { admit, openSession } from '@quantum-ip/client'
import type { Drill } from '../drill.ts'
import { names } from '../lab.ts'
import { LabPostgres } from '../postgres.ts'
import { freePort } from '../processes.ts'
import { openTcpRelay } from '../tcp-relay.ts'

/** Two authorities on one database; the one that leads is killed. */
export const authorityFailover: Drill = {
  name: 'authority-failover',
  title: 'of two authorities on one database, the one that leads dies',
  needs: ['postgres'],
  async run(run, lab) {
    const database = await LabPostgres.open(lab)
    const urlFile = join(lab.folder, 'postgres-url')
    await writeFile(urlFile, `postgres://qip@127.0.0.1:${database.port}/qip`, { mode: 0o600 })
    const configOf = async (name: string): Promise<JsonObject> => ({
      store: { postgres: { urlFile, instance: { name, listen: `127.0.0.1:${await freePort()}` } } },
      custody: { directory: join(lab.folder, 'shared-keys') },
    })
    // Alone first: it founds the trust domain, and leads.
    const one = await lab.startAuthority({ name: 'one', config: await configOf('one') })
    const two = await lab.startAuthority({ name: 'two', config: await configOf('two') })
    const address = await openTcpRelay(lab, one.port)
    const gateway = await lab.startGateway(one, { authorityUrl: address.url })
    const transport = lab.transport([one.url, two.url])
    const token = await one.joinToken(names.checkout, 'workload')
    const admission = await admit(transport, { method: 'join-token', evidence: { token } })
    const checkout = openSession({ transport, admission })
    lab.defer(() => checkout.close())
    const passes = async (): Promise<boolean> =>
      (await lab.call(gateway.url, await lab.fields(checkout))).status === 200
    await run.works('tokens are issued and verified', passes)
    await run.fault('the authority that leads is killed', () => one.kill())
    await run.detected(
      'the gateway has lost its feed',
      async () => (await gateway.status())['mode'] !== 'feed',
    )
    await run.works('the other one issues at once, and the gateway verifies its tokens', passes)
    await run.remedy('none for issuing; the address of the gateways leads to the other one', () => {
      address.lead(two.port)
    })
    await run.recovered(
      'the other one leads: what only the leader does works, and the gateway follows it',
      async () => {
        await two.joinToken(names.other, 'workload')
        return (await gateway.status())['mode'] === 'feed' && passes()
      },
    )
  },
}
