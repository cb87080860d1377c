// One of several threads of a gateway. All listen on one port (SO_REUSEPORT) and share one replay filter, so that a one-time token is
// taken once, by whichever thread it meets.
import { parentPort, workerData } from 'node:worker_threads'
import { type Admission, createAdmission, openSession, openTransport } from '@quantum-ip/client'
import type { Config } from '@quantum-ip/http'
import type { DecisionRecord, RecentDecision, TelemetryBatch } from '@quantum-ip/telemetry'
import type { RootPins } from '@quantum-ip/trust'
import type { JsonObject } from '@quantum-ip/base'
import { CliError } from '../cli-errors.ts'
import { type GatewayPart, openGatewayPart } from './gateway-part.ts'
import type { PointRole } from './point-role.ts'
import { readPolicies } from './read-policies.ts'
import { registerMetrics } from './register-metrics.ts'
import { findIn, newestIn, statusOf, urlOf } from './running-gateway.ts'

/** An admission as it crosses threads: its key is not enumerable, so it travels beside it. */
export interface CarriedAdmission {
  readonly admission: Omit<Admission, 'key'>
  readonly key: Uint8Array
}

/** What a thread is started with. */
export interface GatewayThreadData {
  readonly role: PointRole
  readonly config: Config
  readonly authority: { readonly url: string; readonly ca: string | undefined }
  readonly admitted: CarriedAdmission
  readonly pins: RootPins
  readonly replayMemory: SharedArrayBuffer
  readonly loadMemory: SharedArrayBuffer
  readonly thread: number
  readonly ownAuthority: boolean
}

/** What is asked of a thread. */
export type ThreadCall =
  | { readonly id: number; readonly kind: 'find'; readonly decision: string }
  | { readonly id: number; readonly kind: 'newest'; readonly count: number }
  | { readonly id: number; readonly kind: 'unlogged' }
  | { readonly id: number; readonly kind: 'status' }
  | { readonly id: number; readonly kind: 'policy'; readonly name: string; readonly version: number }
  | { readonly id: number; readonly kind: 'close' }

/** What became of the wish to be admitted again. */
type Readmission =
  | (CarriedAdmission & { readonly kind: 'admitted' })
  | { readonly kind: 'refused'; readonly reason: string }

/** What a thread says. */
export type ThreadWord =
  | { readonly kind: 'ready'; readonly url: string; readonly cells: Float64Array }
  | { readonly kind: 'failed'; readonly reason: string }
  | { readonly kind: 'event'; readonly text: string }
  | { readonly kind: 'readmit' }
  | { readonly kind: 'telemetry'; readonly batch: TelemetryBatch }
  | {
      readonly kind: 'answer'
      readonly id: number
      readonly answer:
        | RecentDecision
        | readonly RecentDecision[]
        | readonly DecisionRecord[]
        | JsonObject
        | string
        | undefined
    }

if (parentPort === null) throw new TypeError('a gateway thread runs as a worker')
const port = parentPort
const say = (word: ThreadWord): void => port.postMessage(word)
const data = workerData as GatewayThreadData
let readmitted: {
  readonly resolve: (admission: Admission) => void
  readonly reject: (error: Error) => void
}[] = []

function arrived({ admission, key }: CarriedAdmission): Admission {
  return createAdmission({ ...admission, key })
}

async function open(): Promise<GatewayPart> {
  const { role, config, authority, pins, replayMemory, loadMemory, thread, ownAuthority } = data
  const transport = openTransport({
    url: authority.url,
    ...(authority.ca !== undefined && { ca: authority.ca }),
  })
  const session = openSession({
    transport,
    admission: arrived(data.admitted),
    readmit: () =>
      new Promise((resolve, reject) => {
        readmitted.push({ resolve, reject })
        say({ kind: 'readmit' })
      }),
  })
  const metrics = registerMetrics(config)
  const part = await openGatewayPart({
    role,
    config,
    session,
    pins,
    metrics,
    replayMemory,
    loadMemory,
    policies: await readPolicies(config.policies),
    thread,
    sharesPort: true,
    ownAuthority,
    onEvent: (text) => say({ kind: 'event', text }),
    onTelemetry: (batch) => say({ kind: 'telemetry', batch }),
  })
  setInterval(() => part.refresh(), 1_000).unref()
  say({ kind: 'ready', url: urlOf(part), cells: metrics.cells })
  return part
}

async function answer(part: GatewayPart, call: ThreadCall): Promise<void> {
  switch (call.kind) {
    case 'find':
      return say({ kind: 'answer', id: call.id, answer: findIn(part, call.decision) })
    case 'newest':
      return say({ kind: 'answer', id: call.id, answer: newestIn(part, call.count) })
    case 'unlogged':
      return say({ kind: 'answer', id: call.id, answer: part.decisions.unlogged() })
    case 'status':
      return say({ kind: 'answer', id: call.id, answer: statusOf(part) })
    case 'policy':
      return say({ kind: 'answer', id: call.id, answer: part.policies.textOf(call.name, call.version) })
    case 'close':
      await part.close()
      say({ kind: 'answer', id: call.id, answer: undefined })
      port.close()
  }
}

const opening = open()
opening.catch((error: unknown) =>
  say({ kind: 'failed', reason: error instanceof Error ? error.message : 'unknown' }),
)
port.on('message', (message: ThreadCall | Readmission) => {
  if (message.kind === 'admitted' || message.kind === 'refused') {
    const waiting = readmitted
    readmitted = []
    for (const { resolve, reject } of waiting) {
      if (message.kind === 'admitted') resolve(arrived(message))
      else reject(new CliError('QIP_CLI_UNREACHABLE', { what: 'the authority', reason: message.reason }))
    }
    return
  }
  void opening.then((part) => answer(part, message))
})
