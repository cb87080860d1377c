import { after } from 'node:test'
import { needComponent } from '../../../../scripts/real-components.ts'
import { testReplayGuard } from '../../../core/verifier/test/replay-contract.ts'
import { openRedisGuard } from '../src/index.ts'
import { openCluster, openRedis } from './support/real-redis.ts'

const component = await needComponent('redis-server')
const single = component.skip === false ? await openRedis(component) : undefined
const cluster = component.skip === false ? await openCluster(component, 3) : undefined
after(async () => {
  await single?.[Symbol.asyncDispose]()
  await cluster?.[Symbol.asyncDispose]()
})

const places = [
  { name: 'a Redis', urls: single?.url, nodes: single === undefined ? [] : [single] },
  { name: 'a Redis Cluster of three primaries', urls: cluster?.urls, nodes: cluster?.nodes ?? [] },
]
for (const { name, urls = '', nodes } of places) {
  testReplayGuard({
    name: `the guard in ${name}`,
    skip: component.skip,
    async open({ retryWindowMs }) {
      for (const node of nodes) await node.command('FLUSHALL')
      const guard = await openRedisGuard({ redis: { urls }, retryWindowMs, timeoutMs: 2_000 })
      return { guard, beganMs: Date.now(), close: async () => guard.close() }
    },
  })
}
