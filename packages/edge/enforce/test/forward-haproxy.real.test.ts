import { needComponent } from '../../../../scripts/real-components.ts'
import { runForwardCases } from './support/forward-cases.ts'
import { runForwardFailures } from './support/forward-failures.ts'
import { openGuideHaproxy } from './support/guide-proxies.ts'

const haproxy = await needComponent('haproxy')

runForwardCases(
  'HAProxy with the configuration of its guide passes the shared body of cases',
  haproxy,
  openGuideHaproxy,
)

runForwardFailures(
  'HAProxy with the configuration of its guide lets nothing through while forward authentication fails',
  haproxy,
  openGuideHaproxy,
)
