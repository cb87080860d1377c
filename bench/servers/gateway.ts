// A gateway of the bench, in front of the upstream whose port is the first argument: `plain`, the relay with a guard that lets
// everything pass, or `verified`, put together as `qip up` does, over the trust documents that it is handed.
import { systemClock, systemRandom } from '@quantum-ip/base'
import { openGateway, openRelay, type Upstream } from '@quantum-ip/enforce'
import { compilePolicy, parsePolicy } from '@quantum-ip/policy'
import {
  DecisionLog,
  decisionLogObserver,
  enforcementMetrics,
  Metrics,
  policyObserver,
  verifierObserver,
} from '@quantum-ip/telemetry'
import { type RevocationRecord, type RootPins, TrustStore } from '@quantum-ip/trust'
import { allocateReplayMemory, createVerifier, ReplayFilter } from '@quantum-ip/verifier'
import { answerLines } from '../lib/answer-lines.ts'

/** What a verified gateway needs before it can listen. */
export interface GatewayStart {
  readonly td: string
  readonly service: string
  readonly pins: RootPins
  /** The evidence file of the one build there is. */
  readonly evidence: string
}

/** Signed documents, as a feed would bring them. */
export interface TrustNews {
  readonly roots?: readonly string[]
  readonly bundles?: readonly string[]
  readonly states: readonly string[]
}

const [upstreamPort = '', kind = ''] = process.argv.slice(2)
const upstreamUrl = `http://127.0.0.1:${upstreamPort}`
const point = 'gateway'
const listeners = [{ host: '127.0.0.1', port: 0 }]

if (kind === 'plain') await servePlain()
else serveVerified()

async function servePlain(): Promise<void> {
  let upstream: Upstream | undefined
  const relay = await openRelay({
    name: point,
    listeners,
    guard: () => ({ action: 'pass', upstream: upstream as Upstream }),
  })
  upstream = relay.openUpstream({ url: upstreamUrl })
  answerLines({ info: { port: relay.addresses[0]?.port }, close: () => relay.close() })
}

function serveVerified(): void {
  let open: Awaited<ReturnType<typeof openVerified>> | undefined
  answerLines({
    info: {},
    async answer(message) {
      if (open === undefined) open = await openVerified(message as GatewayStart)
      else await follow(open.store, message as TrustNews)
      return { port: open.gateway.addresses[0]?.port }
    },
    close: () => open?.gateway.close(),
  })
}

async function follow(store: TrustStore, { roots = [], bundles = [], states }: TrustNews): Promise<void> {
  const revocations: RevocationRecord[] = []
  for (const envelope of roots) await store.applyRoot({ envelope, timeMs: Date.now() })
  for (const envelope of bundles) await store.applyBundle({ envelope, timeMs: Date.now() })
  for (const envelope of states) await store.applyState({ envelope, timeMs: Date.now(), revocations })
}

async function openVerified({ td, service, pins, evidence }: GatewayStart) {
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
  const place = { metrics, point }
  const decisions = new DecisionLog({
    point,
    clock: systemClock,
    random: systemRandom,
    sink: { write: () => {} },
    observer: decisionLogObserver(place),
    sampleRatio: 0.01,
    perReasonMax: 100,
    windowMs: 1_000,
  })
  setInterval(() => decisions.flush(), 1_000).unref()
  const store = new TrustStore({ td, pins })
  const verifier = createVerifier({
    trust: store,
    clock: systemClock,
    stopwatch: () => performance.now(),
    observer: verifierObserver(place),
    replay: new ReplayFilter(allocateReplayMemory({ startedMs: Date.now() }), { floorSkewMs: 0 }),
    attestations: {
      source: { fetchAttestation: () => Promise.resolve({ evidence, source: 'local' as const }) },
      deep: 'always',
    },
  })
  const gateway = await openGateway({
    point,
    listeners,
    routes: [
      { match: { host: 'shop.acme.example' }, service, upstream: { url: upstreamUrl }, policy: 'default' },
    ],
    verifier,
    policies: new Map([['default', policy]]),
    policyObserver: policyObserver(place),
    decisions,
    trust: store,
  })
  return { gateway, store }
}
