import { needComponent } from '../../../../scripts/real-components.ts'
import { runForwardCases } from './support/forward-cases.ts'
import { runForwardFailures } from './support/forward-failures.ts'
import { openGuideCaddy } from './support/guide-proxies.ts'

const caddy = await needComponent('caddy')

runForwardCases(
  'Caddy with the configuration of its guide passes the shared body of cases',
  caddy,
  openGuideCaddy,
)

runForwardFailures(
  'Caddy with the configuration of its guide lets nothing through while forward authentication fails',
  caddy,
  openGuideCaddy,
)
