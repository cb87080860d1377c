import { needComponent } from '../../../../scripts/real-components.ts'
import { runForwardCases } from './support/forward-cases.ts'
import { runForwardFailures } from './support/forward-failures.ts'
import { openGuideTraefik } from './support/guide-proxies.ts'

const traefik = await needComponent('traefik')

runForwardCases(
  'Traefik with the configuration of its guide passes the shared body of cases',
  traefik,
  openGuideTraefik,
)

runForwardFailures(
  'Traefik with the configuration of its guide lets nothing through while forward authentication fails',
  traefik,
  openGuideTraefik,
  { patient: 'Traefik 2.11 waits for 30 s, which cannot be set' },
)
