// What a restart of forward authentication costs callers, where a proxy has two to ask.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { test } from 'node:test'
import { needComponent } from '../../../../scripts/real-components.ts'
import { CaseWorld } from './support/case-world.ts'
import { openForwardProcess } from './support/forward-failures.ts'
import { openGuideNginxWith } from './support/guide-proxies.ts'
import { ask } from './support/scene.ts'

const nginx = await needComponent('nginx')

test(
  'nginx that has two endpoints to ask fails no request while one of them stops',
  { skip: nginx.skip },
  async () => {
    await using world = await CaseWorld.open()
    await using first = await openForwardProcess()
    await using second = await openForwardProcess()
    await using point = await openGuideNginxWith(nginx, world, first.port, { others: [second.port] })
    const statuses: number[] = []
    const stopping = new AbortController()
    const call = async (): Promise<void> => {
      while (!stopping.signal.aborted) statuses.push((await ask(point.port, { token: first.token })).status)
    }
    const callers = [1, 2, 3, 4].map(call)
    const reached = async (count: number): Promise<void> => {
      while (statuses.length < count) await new Promise((resolve) => setTimeout(resolve, 5))
    }
    await reached(100)
    const ended = once(first.child, 'exit')
    first.child.kill('SIGTERM')
    assert.deepEqual(await ended, [0, null])
    await reached(statuses.length + 100)
    stopping.abort()
    await Promise.all(callers)
    const failed = statuses.filter((status) => status !== 200)
    assert.deepEqual([failed, world.asked], [[], statuses.length])
  },
)
