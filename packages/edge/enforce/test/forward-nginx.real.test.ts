import { needComponent } from '../../../../scripts/real-components.ts'
import { runForwardCases } from './support/forward-cases.ts'
import { runForwardFailures } from './support/forward-failures.ts'
import { openGuideNginx } from './support/guide-proxies.ts'

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
