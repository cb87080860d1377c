import { setTimeout as sleep } from 'node:timers/promises'
import { systemClock, systemRandom } from '@quantum-ip/base'
import { createJoinToken } from '@quantum-ip/authority'
import {
  admit,
  openSession,
  openTransport,
  requestTokens,
  type Session,
  submitAttestation,
  type Transport,
} from '@quantum-ip/client'
import { request } from 'undici'
import { type Cell, type Output, tone } from '../lib/output.ts'
import type { QuantumIpNode } from '../up/node.ts'
import { type CaseParts, type JourneyCase, journeyCases } from './cases.ts'
import { packArtifact, signArtifact, tamperArtifact } from './demo-artifact.ts'
import { demo, type DemoGround } from './demo-config.ts'

/** How one case ended. */
export interface CaseResult {
  readonly name: string
  readonly reason: string
  readonly action: string
  readonly httpStatus: number
  /** From the request to the verdict, microseconds. */
  readonly verifyUs: number
  readonly requestMs: number
  readonly decision: string
  readonly asExpected: boolean
}

/** What the journey leaves behind. */
export interface JourneyResult {
  readonly cases: readonly CaseResult[]
  readonly ok: boolean
}

/** Does the whole journey of a build on a running node: signs, logs, admits, calls, and looks at what came of it. */
export async function runJourney(
  node: QuantumIpNode,
  ground: DemoGround,
  say: (what: string, text: string) => void,
): Promise<JourneyResult> {
  const { authority } = node
  await using transport = openTransport({ url: authority.url })
  const artifact = await packArtifact(ground.folder)
  const tampered = await tamperArtifact(artifact)
  say(
    'packed',
    `${basename(artifact.file)}, ${artifact.bytes} bytes, sha256:${artifact.digest.slice(0, 16)}…`,
  )
  const envelope = await signArtifact(artifact, ground.builderKeys)
  const { origin, index } = await submitAttestation(transport, envelope)
  say('signed', `with ML-DSA-65 and Ed25519, logged as entry ${index} of ${origin}`)
  const checkout = await admitWorkload(node, transport, { sid: demo.checkout, build: artifact.digest })
  const legacy = await admitWorkload(node, transport, { sid: demo.legacy, build: tampered.digest })
  say('admitted', `${demo.checkout} (attested build)`)
  say('admitted', `${demo.legacy} (a build that nobody attested: warned)`)
  const [ended] = await requestTokens(checkout, { audience: demo.shop, ttlS: 1 })
  if (ended === undefined) throw new TypeError('no token')
  say('token', `${ended.token.length} characters, under one ML-DSA-44 signature for its whole batch`)
  const parts: CaseParts = {
    checkout,
    legacy,
    ended,
    // Its end, and the clock tolerance of the demonstration.
    waitForEnd: () => sleep(Math.max(0, ended.expiresS * 1_000 + 1_200 - Date.now())),
    async revokeBuild() {
      const { record, seq } = await authority.authority.revoke({
        kind: 'build',
        value: artifact.digest,
        reason: 'demonstration',
      })
      await until(() => epochOf(node).then((epoch) => epoch >= record.epoch), `state ${seq}`)
    },
  }
  const cases: CaseResult[] = []
  for (const one of journeyCases(parts)) cases.push(await runCase(node, one))
  checkout.close()
  legacy.close()
  return { cases, ok: cases.every(({ asExpected }) => asExpected) }
}

async function admitWorkload(
  { authority: { authority } }: QuantumIpNode,
  transport: Transport,
  { sid, build }: { readonly sid: string; readonly build: string },
): Promise<Session> {
  const { token } = await createJoinToken(
    { sql: authority.store.sql, clock: systemClock, random: systemRandom, td: demo.td },
    { sid, builds: [build], role: 'workload', ttlS: 60 },
  )
  return openSession({
    transport,
    admission: await admit(transport, { method: 'join-token', evidence: { token } }),
  })
}

async function runCase(
  node: QuantumIpNode,
  { name, expected, fields, twice }: JourneyCase,
): Promise<CaseResult> {
  const headers = await fields()
  if (twice === true) await send(node, headers)
  const started = performance.now()
  const answer = await send(node, headers)
  const requestMs = performance.now() - started
  const newest = (await node.gateway?.newest(1))?.[0]?.record
  if (newest === undefined) throw new TypeError('the gateway has no decision')
  return {
    name,
    reason: newest.reason,
    action: newest.action,
    httpStatus: answer,
    verifyUs: Math.round(newest.durationMs * 1_000),
    requestMs,
    decision: newest.id,
    asExpected: newest.reason === expected.reason && newest.action === expected.action,
  }
}

async function send(node: QuantumIpNode, headers: Readonly<Record<string, string>>): Promise<number> {
  const response = await request(`${gatewayUrl(node)}/orders/42`, { headers, reset: true })
  await response.body.dump()
  return response.statusCode
}

/** Where the gateway listens. */
export function gatewayUrl({ gateway }: QuantumIpNode): string {
  return gateway?.url ?? ''
}

async function epochOf({ gateway }: QuantumIpNode): Promise<number> {
  const states = (await gateway?.status()) ?? []
  return Math.min(...states.map(({ epoch }) => Number(epoch)))
}

async function until(holds: () => Promise<boolean>, what: string): Promise<void> {
  const deadline = Date.now() + 10_000
  while (!(await holds())) {
    if (Date.now() > deadline) throw new TypeError(`${what} did not arrive within 10 s`)
    await sleep(5)
  }
}

function basename(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1)
}

function duration(us: number): string {
  return us < 1_000 ? `${Math.round(us)} us` : `${(us / 1_000).toFixed(1)} ms`
}

const actionTones = { allow: 'good', reject: 'bad', quarantine: 'warn' } as const

/** Prints one row for each case. */
export function showCases(output: Output, cases: readonly CaseResult[]): void {
  const rows = cases.map(
    ({ name, reason, action, httpStatus, verifyUs, requestMs, asExpected }): readonly Cell[] => [
      asExpected ? tone('good', '✓') : tone('bad', '✗'),
      name,
      reason,
      tone(actionTones[action as keyof typeof actionTones] ?? 'dim', action),
      String(httpStatus),
      duration(verifyUs),
      duration(requestMs * 1_000),
    ],
  )
  output.table(['', 'request', 'verdict', 'action', 'http', 'verified in', 'request'], rows)
}
