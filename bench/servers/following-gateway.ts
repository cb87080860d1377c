// A gateway of the bench that follows an authority as `qip serve --role gateway` does: admitted by join token, enrolled in the fleet,
// with a verifier that is asked about probe tokens.
import { systemClock, systemRandom } from '@quantum-ip/base'
import { admit, headSource, openSession, openTransport, openTrustFollower } from '@quantum-ip/client'
import { openGateway } from '@quantum-ip/enforce'
import { compilePolicy, parsePolicy } from '@quantum-ip/policy'
import { DecisionLog, enforcementMetrics, Metrics, policyObserver } from '@quantum-ip/telemetry'
import { TrustStore } from '@quantum-ip/trust'
import { allocateReplayMemory, createVerifier, ReplayFilter } from '@quantum-ip/verifier'
import { answerLines } from '../lib/answer-lines.ts'

/** What the gateway is started with, as its one argument. */
export interface FollowingGatewayStart {
  readonly url: string
  readonly td: string
  readonly token: string
  readonly pins: { readonly thumbprints: readonly string[]; readonly threshold: number }
  readonly service: string
  readonly upstreamPort: number
}

const start = JSON.parse(process.argv[2] ?? '') as FollowingGatewayStart
const { td, service, pins } = start
const point = 'gateway'
const transport = openTransport({ url: start.url })
const session = openSession({
  transport,
  admission: await admit(transport, { method: 'join-token', evidence: { token: start.token } }),
})
const store = new TrustStore({ td, pins })
const verifier = createVerifier({
  trust: store,
  clock: systemClock,
  replay: new ReplayFilter(allocateReplayMemory({ startedMs: Date.now() }), { floorSkewMs: 0 }),
  heads: { source: headSource(session) },
})
const follower = await openTrustFollower({
  session,
  store,
  point,
  kind: 'gateway',
  verifyProbe: async (probe) => (await verifier.verify({ ...probe, tokenCount: 1 })).reason,
})
const policy = compilePolicy(
  parsePolicy({
    apiVersion: 'quantum-ip.dev/v1',
    kind: 'Policy',
    metadata: { name: 'default', version: 1 },
    spec: {
      mode: 'enforce',
      default: { verified: 'allow', missing: 'reject', invalid: 'reject', unverifiable: 'reject' },
    },
  }),
)
const metrics = new Metrics({
  metrics: enforcementMetrics,
  sets: { service: [service], enforcement_point: [point], policy: ['default'] },
})
const gateway = await openGateway({
  point,
  listeners: [{ host: '127.0.0.1', port: 0 }],
  routes: [
    {
      match: { host: 'shop.acme.example' },
      service,
      upstream: { url: `http://127.0.0.1:${start.upstreamPort}` },
      policy: 'default',
    },
  ],
  verifier,
  policies: new Map([['default', policy]]),
  policyObserver: policyObserver({ metrics, point }),
  decisions: new DecisionLog({
    point,
    clock: systemClock,
    random: systemRandom,
    sink: { write: () => {} },
    sampleRatio: 0.01,
    perReasonMax: 100,
    windowMs: 1_000,
  }),
  trust: store,
})

answerLines({
  info: { port: gateway.addresses[0]?.port },
  answer: () => ({ mode: follower.status().mode, seq: follower.status().acknowledgedSeq ?? 0 }),
  async close() {
    await gateway.close()
    verifier.close()
    await follower.close()
    await transport.close()
  },
})
