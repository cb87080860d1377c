import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { openCaller, openFleet, type TestFleet, until } from './support/fleet.ts'

interface Report {
  readonly rotation: {
    readonly number: number
    readonly phase: string
    readonly outcome?: string
    readonly detail?: string
  }
  readonly gate?: {
    readonly acknowledged: number
    readonly needed: number
    readonly members: readonly { readonly point: string; readonly standing: string }[]
  }
}

/** The last line of what a command answered with `--json`. */
function lastOf(text: string): Report {
  return JSON.parse(text.trim().split('\n').at(-1) ?? '') as Report
}

async function open(stack: AsyncDisposableStack, names: readonly string[], yaml = ''): Promise<TestFleet> {
  const folder = await mkdtemp(join(tmpdir(), 'qip-rotation-'))
  stack.defer(() => rm(folder, { recursive: true, force: true }))
  return openFleet(stack, { folder, names, yaml })
}

/** Every gateway has said what it holds. */
async function enrolled(fleet: TestFleet): Promise<void> {
  await until('the gateways are enrolled', async () => {
    const { stdout } = await fleet.qip('fleet', '--json')
    const { members } = JSON.parse(stdout) as { members: readonly unknown[] }
    return members.length === fleet.edges.length
  })
}

test('a key that a gateway cannot hear of does not sign, and signs once it can: no request is refused meanwhile', async () => {
  await using stack = new AsyncDisposableStack()
  const fleet = await open(stack, ['near', 'far'])
  await enrolled(fleet)
  const caller = await openCaller(stack, fleet)
  await until('requests get through', () => caller.accepted > 20)
  const far = fleet.edges.find(({ name }) => name === 'far')
  far?.network.cut()
  const waiting = await fleet.qip('keys', 'rotate', '--wait', '3s', '--json')
  const { rotation, gate } = lastOf(waiting.stdout)
  assert.deepEqual([waiting.code, rotation.phase], [1, 'waiting'])
  const standings = gate?.members.map(({ point, standing }) => `${point} ${standing}`)
  assert.deepEqual([standings, gate?.acknowledged, gate?.needed], [['far behind', 'near acknowledged'], 1, 2])
  assert.match(waiting.stdout, /"event":"member".*"point":"near".*"standing":"acknowledged"/)
  const blocked = await fleet.qip('fleet')
  assert.match(blocked.stdout, /far .*blocks rotation \d/)
  assert.doesNotMatch(blocked.stdout, /near .*blocks/)
  assert.equal(caller.keyIds.size, 1)
  far?.network.heal()
  await until('the new key signs', async () => {
    const { stdout } = await fleet.qip('keys', 'rotations', '--json')
    const [last] = (JSON.parse(stdout) as { rotations: readonly Report['rotation'][] }).rotations
    assert.equal(last?.number, rotation.number)
    return last.phase === 'settling' && last.detail === '2 of 2 members acknowledged'
  })
  const { accepted } = caller
  await until('requests get through with the new key', () => caller.accepted > accepted + 50)
  assert.equal(caller.keyIds.size, 2)
  const back = await fleet.qip('keys', 'rollback', '--reason', 'test', '--json')
  assert.equal(lastOf(back.stdout).rotation.outcome, 'rolled-back')
  await sleep(500)
  await caller.stop()
  assert.equal(caller.keyIds.size, 2)
  assert.deepEqual(caller.rejected, [])
})
