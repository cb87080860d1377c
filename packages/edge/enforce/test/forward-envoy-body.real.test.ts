import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test } from 'node:test'
import { requestBinding } from '@quantum-ip/token'
import { needComponent } from '../../../../scripts/real-components.ts'
import { openForwardAuth } from '../src/index.ts'
import { CaseWorld, casePolicies } from './support/case-world.ts'
import { forwardOptions } from './support/forward-cases.ts'
import { openGuideEnvoyWith } from './support/guide-proxies.ts'
import { guideBlock } from './support/guides.ts'
import { type Asked, ask } from './support/scene.ts'

const envoy = await needComponent('envoy')

test(
  'Envoy sends the body where its guide says so, and a token that is bound to it passes with it alone',
  { skip: envoy.skip },
  async () => {
    await using world = await CaseWorld.open()
    const { domain } = world
    await using endpoint = await openForwardAuth({
      ...forwardOptions(domain.shop),
      verifier: world.verifier,
      policies: casePolicies,
      routes: [{ match: {}, service: domain.shop, policy: 'enforced', bodyBytesHeld: 65_536 }],
    })
    const asks = guideBlock('envoy-http.md', 'yaml envoy body').trim()
    await using point = await openGuideEnvoyWith(envoy, world, endpoint.addresses[0]?.port ?? 0, () => ({
      'clear_route_cache: true': `clear_route_cache: true\n                      ${asks}`,
    }))
    const post = async (bound: string, body: string): Promise<Asked> => {
      const contentDigest = createHash('sha256').update(bound).digest()
      const request = { method: 'POST', authority: 'shop.acme.example', target: '/cart' }
      const { text: token } = await domain.issueOne({ req: requestBinding({ ...request, contentDigest }) })
      return ask(point.port, { path: '/cart', method: 'POST', token, body })
    }
    const good = await post('a=1', 'a=1')
    assert.deepEqual([good.status, good.seen.body], [200, 'a=1'], good.body)
    const large = 'x'.repeat(65_537)
    const statuses = [await post('a=1', 'a=2'), await post(large, large), await post('', 'a=1')]
    assert.deepEqual(
      statuses.map(({ status }) => status),
      [401, 401, 401],
    )
    // What is bound to nothing passes whatever its size, as far as Envoy holds it.
    const { text: token } = await domain.issueOne()
    assert.equal((await ask(point.port, { path: '/cart', method: 'POST', token, body: large })).status, 200)
  },
)
