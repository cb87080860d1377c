import { needComponent } from '../../../../scripts/real-components.ts'
import { runForwardCases } from './support/forward-cases.ts'
import { runForwardFailures } from './support/forward-failures.ts'
import { openGuideEnvoy } from './support/guide-proxies.ts'

const envoy = await needComponent('envoy')

runForwardCases(
  'Envoy with the configuration of its guide passes the shared body of cases over HTTP',
  envoy,
  openGuideEnvoy,
)

runForwardFailures(
  'Envoy with the configuration of its guide lets nothing through while forward authentication fails',
  envoy,
  openGuideEnvoy,
)
