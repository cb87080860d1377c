// What clients call, and where their tokens come from.
import { once } from 'node:events'
import { createServer, type RequestListener } from 'node:http'
import { createTestAuthority } from '@quantum-ip/testkit'
import { createQuantumIp } from '../../src/index.ts'
import { portOf } from './scene.ts'

/** A server of `node:http` on a port of its own. */
export async function listen(listener: RequestListener): Promise<{ url: string } & AsyncDisposable> {
  const server = createServer(listener)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    url: `http://127.0.0.1:${portOf(server)}`,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
}

/** A pool over the test authority: each token once, as one-time tokens are. */
export async function openKit(kind: 'issue' | 'unlisted' = 'issue', name = 'shop') {
  const kit = await createTestAuthority()
  const audience = kit.service(name)
  const verifier = kit.verifier()
  await kit.publish()
  let taken = 0
  const tokens = {
    take: () => {
      taken++
      return kit[kind]({ audience, oneTime: true })
    },
  }
  const quantumIp = createQuantumIp({ service: audience, verifier, clock: kit.clock })
  return { kit, audience, tokens, quantumIp, taken: () => taken }
}
