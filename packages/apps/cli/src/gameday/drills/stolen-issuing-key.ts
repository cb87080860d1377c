import { join } from 'node:path'
import type { JsonObject } from '@quantum-ip/base'
import { type KeyThief, stealIssuingKey } from '../../drills/key-thief.ts'
import type { Drill } from '../drill.ts'
import { names } from '../lab.ts'

/** Somebody has a copy of the issuing key and signs outside of the log. */
export const stolenIssuingKey: Drill = {
  name: 'stolen-issuing-key',
  title: 'a stolen issuing key signs tokens that are in no log',
  needs: [],
  async run(run, lab) {
    const authority = await lab.startAuthority()
    const gateway = await lab.startGateway(authority, {
      // Defaults 5 s and 60 s.
      config: { heads: { reportedAfter: '1s', listedWithin: '10s' } },
    })
    const checkout = await lab.admit(authority)
    const passes = async (fields: Readonly<Record<string, string>>): Promise<boolean> =>
      (await lab.call(gateway.url, fields)).status === 200
    await run.works('requests are verified', async () => passes(await lab.fields(checkout)))
    const good = await lab.fields(checkout)
    let thief: KeyThief | undefined
    let passed = 0
    const send = async (): Promise<string> => {
      const forged = await thief?.forge({ sub: names.checkout, aud: names.shop })
      const answer = await lab.call(gateway.url, forged)
      if (forged !== undefined && answer.status === 200) passed++
      return answer.reason
    }
    await run.fault('the folder of keys is copied, and a token is signed outside of the log', async () => {
      const keys = join(authority.folder, 'keys')
      thief = await stealIssuingKey(authority.url, { keys, into: lab.folder })
      await send()
    })
    const event = async (): Promise<JsonObject | undefined> => {
      const { events = [] } = await authority.get('/v1/events?kind=head_unlogged')
      return (events as unknown as readonly JsonObject[])[0]
    }
    await run.detected(
      '`key_revoked` for its tokens, and a security event `head_unlogged` with the proof',
      async () => {
        return (await send()) === 'key_revoked' && (await event()) !== undefined
      },
    )
    run.step(`${passed} forged requests had passed before`)
    await run.works(
      'its good tokens are refused, too: nobody can tell them apart',
      async () => !(await passes(good)),
    )
    await run.remedy('none is needed: the authority revoked it, and the next key issues', () => undefined)
    await run.recovered('the workload draws a token of the next key, and it passes', async () => {
      return passes(await lab.fields(checkout))
    })
    const number = (await event())?.['number'] as number
    await run.recovered(`the decisions that it got are listed with the event: ${passed}`, async () => {
      const { affected = [] } = await authority.get(`/v1/events/${number}`)
      return (affected as readonly unknown[]).length === passed
    })
  },
}
