// A service of `node:http` that answers every request alike, with what its argument names in front of the handler: `plain` nothing,
// `quantum-ip` and `quantum-ip-cold` our middleware with and without remembered tokens, `jose-mldsa44` and `jose-es256` a JWT check.
import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { systemClock, systemRandom } from '@quantum-ip/base'
import { createQuantumIp } from '@quantum-ip/middleware'
import { verified } from '@quantum-ip/middleware/node-http'
import {
  DecisionLog,
  decisionLogObserver,
  enforcementMetrics,
  Metrics,
  policyObserver,
  verifierObserver,
} from '@quantum-ip/telemetry'
import { createTestAuthority } from '@quantum-ip/testkit'
import { exportJWK, generateKeyPair, importJWK, jwtVerify, SignJWT } from 'jose'
import { answerLines } from '../lib/answer-lines.ts'

/** What a service of the bench says of itself. */
export interface NodeService {
  readonly port: number
  /** Fields to send, one of them with each request. */
  readonly fields: readonly string[]
}

const tokensMax = 512
const body = JSON.stringify({ order: 17, total: '19.90', currency: 'EUR' })

interface Guarded {
  readonly listener: RequestListener
  readonly fields: readonly string[]
}

function answer(response: Parameters<RequestListener>[1]): void {
  response.setHeader('content-type', 'application/json')
  response.end(body)
}

function plain(): Guarded {
  return { listener: (_request, response) => answer(response), fields: ['x-none: none'] }
}

async function quantumIp(cacheMax: number): Promise<Guarded> {
  const kit = await createTestAuthority({ clock: systemClock })
  const [service, point] = [kit.service('service'), 'node']
  const metrics = new Metrics({
    metrics: enforcementMetrics,
    sets: { service: [service], enforcement_point: [point], policy: ['builtin'] },
  })
  const place = { metrics, point }
  const verifier = kit.verifier({
    cacheMax,
    observer: verifierObserver(place),
    stopwatch: () => performance.now(),
  })
  const decisions = new DecisionLog({
    point,
    clock: systemClock,
    random: systemRandom,
    sink: { write: () => {} },
    observer: decisionLogObserver(place),
  })
  const guard = createQuantumIp({
    service,
    point,
    verifier,
    decisions,
    policyObserver: policyObserver(place),
    // As `openQuantumIp` has it: each call is held until its answer is over, for revocations to find it.
    cut: { trust: kit.trust, verifier },
  })
  const build = 'ab'.repeat(32)
  const fields: string[] = []
  while (fields.length < tokensMax) fields.push(`quantum-ip: ${await kit.token({ build, ttlS: 3_600 })}`)
  setInterval(() => void kit.publish(), 500).unref()
  return { listener: verified(guard, (_request, response) => answer(response)), fields }
}

async function jose(alg: 'ML-DSA-44' | 'ES256'): Promise<Guarded> {
  const { privateKey, publicKey } = await generateKeyPair(alg, { extractable: true })
  const key = await importJWK(await exportJWK(publicKey), alg)
  const terms = { issuer: 'spiffe://example.test', audience: 'spiffe://example.test/service' }
  const fields = await Promise.all(
    Array.from({ length: tokensMax }, async (_, jti) => {
      const claims = { sub: 'spiffe://example.test/caller', bld: 'a'.repeat(43), bev: 1, jti: String(jti) }
      const jwt = new SignJWT(claims).setProtectedHeader({ alg, typ: 'JWT' }).setIssuedAt()
      const signed = jwt.setIssuer(terms.issuer).setAudience(terms.audience).setExpirationTime('1h')
      return `authorization: Bearer ${await signed.sign(privateKey)}`
    }),
  )
  const listener: RequestListener = (request, response) => {
    jwtVerify((request.headers.authorization ?? '').slice('Bearer '.length), key, terms).then(
      () => answer(response),
      () => response.writeHead(401).end(),
    )
  }
  return { listener, fields }
}

const kinds: Readonly<Record<string, () => Guarded | Promise<Guarded>>> = {
  plain,
  'quantum-ip': () => quantumIp(100_000),
  'quantum-ip-cold': () => quantumIp(0),
  'jose-mldsa44': () => jose('ML-DSA-44'),
  'jose-es256': () => jose('ES256'),
}

const { listener, fields } = (await kinds[process.argv[2] ?? '']?.()) ?? plain()
const server = createServer(listener)
server.listen(0, '127.0.0.1', 1_024, () => {
  const info: NodeService = { port: (server.address() as AddressInfo).port, fields }
  answerLines({ info, close: () => server.close() })
})
