import assert from 'node:assert/strict'
import { test } from 'node:test'
import { needComponent } from '../../../../scripts/real-components.ts'
import { CaseWorld } from './support/case-world.ts'
import { openForwardCases, runForwardCases } from './support/forward-cases.ts'
import { runForwardFailures } from './support/forward-failures.ts'
import { openGuideNginx, openGuideNginxWith } from './support/guide-proxies.ts'
import { ask } from './support/scene.ts'

const nginx = await needComponent('nginx')

runForwardCases(
  'nginx with the configuration of its guide passes the shared body of cases',
  nginx,
  openGuideNginx,
)

runForwardFailures(
  'nginx with the configuration of its guide lets nothing through while forward authentication fails',
  nginx,
  openGuideNginx,
)

test(
  'a location of nginx for which nobody is asked passes on no status and no token of its caller',
  { skip: nginx.skip },
  async () => {
    await using world = await CaseWorld.open()
    await using endpoint = await openForwardCases(world)
    const open = '\nlocation /open { auth_request off; proxy_pass http://shop; }\n'
    await using proxy = await openGuideNginxWith(nginx, world, endpoint.port, { more: open })
    const fields = ['Quantum-IP-Status', 'status=verified']
    const asked = await ask(proxy.port, { path: '/open', token: 'qip1.x', fields })
    assert.deepEqual(
      [asked.status, asked.field('quantum-ip-status'), asked.field('quantum-ip')],
      [200, undefined, undefined],
    )
  },
)
