import type { JsonObject } from '@quantum-ip/base'
import { type Drill, DrillFailure } from '../drill.ts'
import type { LabAuthority } from '../lab-authority.ts'
import { openTcpRelay } from '../tcp-relay.ts'

/** F1: a new issuing key does not reach one of the verifiers. */
export const rotationFailure: Drill = {
  name: 'rotation-failure',
  mode: 'F1',
  title: 'a key rotation that does not reach every verifier',
  needs: [],
  async run(run, lab) {
    const authority = await lab.startAuthority({
      // Default 5 min.
      config: { keys: { rotation: { timeLimit: '3s' } } },
    })
    const relay = await openTcpRelay(lab, authority.port)
    const near = await lab.startGateway(authority, { name: 'near' })
    const far = await lab.startGateway(authority, { name: 'far', authorityUrl: relay.url })
    const checkout = await lab.admit(authority)
    let refused = 0
    const passes = async (): Promise<boolean> => {
      const fields = await lab.fields(checkout)
      const answers = [await lab.call(near.url, fields), await lab.call(far.url, fields)]
      refused += answers.filter(({ status }) => status !== 200).length
      return answers.every(({ status }) => status === 200)
    }
    const keys = rotationsOf(authority)
    await run.works('both gateways are enrolled and verify', async () => {
      const { members = [] } = await authority.get('/v1/fleet')
      return (members as readonly unknown[]).length === 2 && passes()
    })
    refused = 0
    const before = await keys.activeLog()
    await run.fault('one gateway is cut off, and the issuing key is rotated', async () => {
      relay.cut()
      await authority.post('/v1/keys/rotate', { use: 'qip-token' })
    })
    let number = 0
    await run.detected(
      'the rotation is held, and names the member that it waits for (`qip keys rotations`, `qip fleet`)',
      async () => {
        const held = (await keys.rotations()).find(
          ({ phase, heldMs }) => phase === 'waiting' && heldMs !== undefined,
        )
        number = Number(held?.['number'] ?? 0)
        return number > 0 && (await keys.report(number)).includes('far')
      },
    )
    run.step(await keys.report(number))
    await run.works('the key before goes on signing, and both gateways take its tokens', async () => {
      return (await passes()) && (await keys.activeLog()) === before
    })
    await run.remedy('`qip keys rollback`: the new key is withdrawn', () => {
      return lab.qip(['keys', 'rollback', '--reason', 'drill', '--authority', `unix:${authority.socket}`])
    })
    await run.recovered('the rotation has ended, and nothing changed for anybody', async () => {
      const ended = (await keys.rotations()).find((rotation) => rotation['number'] === number)
      return ended?.['outcome'] !== undefined && (await passes()) && (await keys.activeLog()) === before
    })
    relay.mend()
    await authority.post('/v1/keys/rotate', { use: 'qip-token' })
    await run.recovered(
      'with the member back, a new rotation goes through, and its tokens pass',
      async () => {
        return (await keys.activeLog()) !== before && passes()
      },
    )
    run.step(`${refused} requests were refused from the fault on`)
    if (refused > 0) throw new DrillFailure(`${refused} good requests were refused`)
  },
}

/** What an operator sees of keys and rotations. */
function rotationsOf(authority: LabAuthority) {
  const list = async (target: string, name: string): Promise<readonly JsonObject[]> =>
    ((await authority.get(target))[name] ?? []) as unknown as readonly JsonObject[]
  return {
    rotations: () => list('/v1/rotations?use=qip-token', 'rotations'),
    async activeLog(): Promise<string> {
      const keys = await list('/v1/keys', 'keys')
      const active = keys.find(({ use, state }) => use === 'qip-token' && state === 'active')
      return (active?.['log'] ?? '') as string
    },
    async report(number: number): Promise<string> {
      const { gate = {} } = await authority.get(`/v1/rotations/${number}`)
      return ((gate as JsonObject)['detail'] ?? '') as string
    },
  }
}
