// The body of cases that every enforcement point runs, against a service of `node:http` that hands on what it lets through.
import { once } from 'node:events'
import { createServer, type IncomingMessage, request as httpRequest, type ServerResponse } from 'node:http'
import { pipeline } from 'node:stream'
import type { CompiledPolicy } from '@quantum-ip/policy'
import { runCases } from '../../enforce/test/support/cases.ts'
import { casePolicies, caseRoutes, type CaseWorld } from '../../enforce/test/support/case-world.ts'
import { createQuantumIp } from '../src/index.ts'
import { verified } from '../src/node-http.ts'
import { portOf } from './support/scene.ts'

type Listener = (request: IncomingMessage, response: ServerResponse) => void

function handOn(request: IncomingMessage, response: ServerResponse, url: string): void {
  const { method, url: target, rawHeaders } = request
  const sent = httpRequest(new URL(url), { method, path: target, headers: [...rawHeaders] }, (answer) => {
    response.writeHead(answer.statusCode ?? 502, answer.rawHeaders)
    pipeline(answer, response, () => undefined)
  })
  sent.on('error', () => response.destroy())
  pipeline(request, sent, () => undefined)
}

runCases('node:http: the shared body of cases', async (world: CaseWorld) => {
  const { verifier, decisions, service, jail } = world
  const byPath = new Map<string, Listener>(
    caseRoutes.map(({ path, policy }) => {
      const quantumIp = createQuantumIp({
        service: world.domain.shop,
        verifier,
        decisions,
        clock: { now: () => world.domain.clock.now() },
        policy: casePolicies.get(policy) as CompiledPolicy,
        quarantine: 'mark',
      })
      const listener = verified(quantumIp, (request, response) => {
        handOn(request, response, request.quantumIp.action === 'quarantine' ? jail.url : service.url)
      })
      return [path, listener]
    }),
  )
  // Beyond the limit of `node:http`, so that it is the middleware that sees a field over every limit.
  const server = createServer({ maxHeaderSize: 131_072 }, (request, response) => {
    const [, first = ''] = (request.url ?? '').split(/[/?]/)
    const listener = byPath.get(`/${first}`) ?? byPath.get('/')
    listener?.(request, response)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    port: portOf(server),
    unverifiableStatus: 503,
    without: {
      'an exempt path passes without a token, and nothing beside it':
        'what is exempt is what the application puts before the middleware',
      grpc: 'gRPC has an interceptor, with tests of its own',
      webSocket: 'an upgrade has a listener of its own, with a test of its own',
    },
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
})
