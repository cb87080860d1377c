// What nginx's auth_request asks in the bench: the verifier behind the least of HTTP servers, over the trust documents that it is handed.
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { systemClock } from '@quantum-ip/base'
import { tokenField, TokenRefusal } from '@quantum-ip/token'
import { TrustStore } from '@quantum-ip/trust'
import { createVerifier, type Verdict, type Verifier } from '@quantum-ip/verifier'
import { answerLines } from '../lib/answer-lines.ts'
import type { GatewayStart, TrustNews } from './gateway.ts'

let verifier: Verifier | undefined
let service = ''

async function begin({ td, service: audience, pins, ...news }: GatewayStart & TrustNews): Promise<void> {
  const store = new TrustStore({ td, pins })
  for (const envelope of news.roots ?? []) await store.applyRoot({ envelope, timeMs: Date.now() })
  for (const envelope of news.bundles ?? []) await store.applyBundle({ envelope, timeMs: Date.now() })
  for (const envelope of news.states)
    await store.applyState({ envelope, timeMs: Date.now(), revocations: [] })
  service = audience
  verifier = createVerifier({ trust: store, clock: systemClock })
}

function verify(rawHeaders: readonly string[]): Verdict | Promise<Verdict> | undefined {
  const token = tokenField(rawHeaders)
  if (token instanceof TokenRefusal) return verifier?.verify({ tokenCount: 2, audience: service })
  return verifier?.verify({ token, tokenCount: token === undefined ? 0 : 1, audience: service })
}

const server = createServer(({ rawHeaders }, response) => {
  const answer = (verdict: Verdict | undefined): void => {
    response.writeHead(verdict?.status === 'verified' ? 200 : 401, {
      'Quantum-IP-Status': `status=${verdict?.status}, reason=${verdict?.reason}, sub="${verdict?.identity}"`,
      'Content-Length': '0',
    })
    response.end()
  }
  const verdict = verify(rawHeaders)
  if (verdict instanceof Promise) void verdict.then(answer)
  else answer(verdict)
})

server.listen(0, '127.0.0.1', 1_024, () => {
  answerLines({
    info: { port: (server.address() as AddressInfo).port },
    answer: async (message) => {
      await begin(message as GatewayStart & TrustNews)
      return {}
    },
    close: () => server.close(),
  })
})
