import { needComponent } from '../../../../scripts/real-components.ts'
import { filesOf, runCertificateCases } from '../../enforce/test/support/certificate-cases.ts'
import { openCertificateForward } from '../../enforce/test/support/certificate-points.ts'
import { guideBlock } from '../../enforce/test/support/guides.ts'
import { openNginx } from '../../enforce/test/support/real-proxies.ts'
import { guideNginx } from './support/guide-nginx.ts'
import { HeldFolder } from './support/held-folder.ts'

const nginx = await needComponent('nginx')
const module = await needComponent('nginx-js')

runCertificateCases(
  'nginx ends mutual TLS and checks tokens itself',
  async (world, party) => {
    await using opened = new AsyncDisposableStack()
    const endpoint = opened.use(await openCertificateForward(world, 'nginx'))
    const held = opened.use(await HeldFolder.open(world))
    const guide = guideNginx({
      module,
      directory: held.directory,
      service: world.domain.shop,
      verifier: endpoint.port,
      upstream: world.service.port,
    })
    const server = guideBlock('proof-of-possession.md', 'nginx tls') + guide.server
    const files = { ...guide.files, ...filesOf(party) }
    const front = opened.use(await openNginx(nginx, { ...guide, listen: 'ssl', server, files }))
    const closing = opened.move()
    return {
      port: front.port,
      records: false,
      settle: () => held.settle(),
      [Symbol.asyncDispose]: () => closing.disposeAsync(),
    }
  },
  { skip: nginx.skip || module.skip, realTime: true },
)
