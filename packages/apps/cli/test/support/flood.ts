// A thread that sends requests over connections of its own, one after the other on each, for a while, and says what came of them.
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { parentPort, workerData } from 'node:worker_threads'

/** What a flood is made of. */
export interface Flood {
  readonly port: number
  readonly connections: number
  readonly host: string
  /** Each request takes the next one; an empty one sends no token. */
  readonly tokens: readonly string[]
  /** Between two requests of a connection; 0: at once. */
  readonly pauseMs: number
  readonly durationMs: number
}

/** What came of it. */
export interface FloodResult {
  /** Answers by status. */
  readonly statuses: Readonly<Record<string, number>>
  /** 503 answers without `Retry-After`, and connections that broke. */
  readonly bareRefusals: number
  readonly broken: number
  /** Milliseconds of the answers with 200. */
  readonly latenciesMs: readonly number[]
}

const statuses: Record<string, number> = {}
const latenciesMs: number[] = []
let bareRefusals = 0
let broken = 0
let sent = 0

function requestOf({ host, tokens }: Flood): string {
  const token = tokens[sent++ % tokens.length] ?? ''
  const field = token === '' ? '' : `quantum-ip: ${token}\r\n`
  return `GET /orders HTTP/1.1\r\nhost: ${host}\r\n${field}\r\n`
}

async function readAnswer(socket: Socket): Promise<string> {
  let held = ''
  for (;;) {
    const [chunk] = (await once(socket, 'data')) as [Buffer]
    held += chunk.toString('latin1')
    const end = held.indexOf('\r\n\r\n')
    const length = Number(/\r\ncontent-length: (\d+)/i.exec(held)?.[1] ?? Number.NaN)
    if (end >= 0 && held.length >= end + 4 + length) return held
  }
}

async function flood(plan: Flood, socket: Socket): Promise<void> {
  const untilMs = performance.now() + plan.durationMs
  while (performance.now() < untilMs) {
    const startedMs = performance.now()
    socket.write(requestOf(plan), 'latin1')
    const answer = await readAnswer(socket)
    const status = answer.slice(9, 12)
    statuses[status] = (statuses[status] ?? 0) + 1
    if (status === '200') latenciesMs.push(performance.now() - startedMs)
    if (status === '503' && !/\r\nretry-after: [1-9]\d*\r\n/i.test(answer)) bareRefusals++
    if (plan.pauseMs > 0) await sleep(plan.pauseMs)
  }
}

async function run(plan: Flood): Promise<void> {
  const sockets = Array.from({ length: plan.connections }, () =>
    connect({ port: plan.port, host: '127.0.0.1', noDelay: true }),
  )
  await Promise.all(
    sockets.map((socket) =>
      flood(plan, socket).catch(() => {
        broken++
      }),
    ),
  )
  for (const socket of sockets) socket.destroy()
  parentPort?.postMessage({ statuses, bareRefusals, broken, latenciesMs } satisfies FloodResult)
}

await run(workerData as Flood)
