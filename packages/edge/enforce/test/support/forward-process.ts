// Forward authentication as a process of its own, which can be stopped and killed: `forward-cases.ts` in a domain that never changes. Writes its
// port and a good token.
import { forwardOptions } from './forward-cases.ts'
import { casePolicies } from './case-world.ts'
import { openForwardAuth } from '../../src/index.ts'
import { createTestDomain } from './domain.ts'

const domain = await createTestDomain()
const { text: token } = await domain.issueOne()
const endpoint = await openForwardAuth({
  ...forwardOptions(domain.shop),
  verifier: domain.verifier(),
  policies: casePolicies,
})
process.stdout.write(`${JSON.stringify({ port: endpoint.addresses[0]?.port, token })}\n`)
process.once('SIGTERM', () => void endpoint.close().then(() => process.exit(0)))
