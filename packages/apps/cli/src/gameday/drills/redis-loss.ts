import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Drill } from '../drill.ts'
import type { LabGateway } from '../lab-gateway.ts'
import { openRedis } from '../redis.ts'

type Fields = Readonly<Record<string, string>>

/** The store in which two gateways count one-time tokens together is lost, with all that it held. */
export const redisLoss: Drill = {
  name: 'redis-loss',
  title: 'the shared replay store is lost, and comes back empty',
  needs: ['redis-server'],
  async run(run, lab) {
    const redis = await openRedis(lab)
    const urlFile = join(lab.folder, 'redis-url')
    await writeFile(urlFile, redis.url, { mode: 0o600 })
    const authority = await lab.startAuthority()
    // Default 30 s: how long a deposed primary may still answer somebody. Here there is none.
    const config = { replay: { scope: 'shared', redis: { urlFile, failoverMargin: '1s' } } }
    const one = await lab.startGateway(authority, { name: 'one', config })
    const other = await lab.startGateway(authority, { name: 'two', config })
    const checkout = await lab.admit(authority)
    const reasonAt = async ({ url }: LabGateway, fields: Fields): Promise<string> => {
      const { status, reason } = await lab.call(url, fields)
      return status === 200 ? 'ok' : reason
    }
    const once = (): Promise<Fields> => lab.fields(checkout, { oneTime: true })
    let used: Fields = {}
    const isExact = async (): Promise<boolean> => {
      used = await once()
      return (await reasonAt(one, used)) === 'ok' && (await reasonAt(other, used)) === 'token_replayed'
    }
    await run.works('a one-time token passes once among both gateways', isExact, { withinMs: 20_000 })
    const often = await lab.fields(checkout)
    await run.fault('Redis is killed, and its memory with it', () => redis.kill())
    await run.detected('`replay_unavailable`, and quantum_ip_replay_store_ready is 0', async () => {
      return (
        (await reasonAt(one, await once())) === 'replay_unavailable' &&
        (await one.metric('replay_store_ready')) === 0
      )
    })
    await run.works('tokens that are not one-time pass at both', async () => {
      return (await reasonAt(one, often)) === 'ok' && (await reasonAt(other, often)) === 'ok'
    })
    const before = used
    await run.remedy('Redis is started, empty', () => redis.start())
    await run.recovered('one-time tokens pass once again', isExact)
    await run.recovered('one that was used before the loss does not pass again', async () => {
      const answers = [await reasonAt(one, before), await reasonAt(other, before)]
      return answers.every((reason) => reason === 'replay_unavailable' || reason === 'token_replayed')
    })
  },
}
