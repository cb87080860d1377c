// redis_replay: what a check of a one-time token in a Redis on the loopback takes at a steady 5,000 a second, beside a bare PING at the
// same rate: what the machine and its noise take alone.
import { mkdtemp, rm } from 'node:fs/promises'
import { connect, createServer, type AddressInfo } from 'node:net'
import { once } from 'node:events'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { openRedisGuard } from '@quantum-ip/replay'
import { needComponent, openComponent } from '../../scripts/real-components.ts'
import { percentile, round, type Rows } from '../lib/measure.ts'

const perS = 5_000
const roundMs = 2_000
const rounds = 5
const barMs = 2

/** Asks at a steady rate; returns how long each answer took, in milliseconds. */
async function steady(ask: () => Promise<unknown>): Promise<number[]> {
  const took: number[] = []
  const waiting: Promise<void>[] = []
  const began = performance.now()
  for (let nowMs = began; nowMs - began < roundMs; nowMs = performance.now()) {
    while (waiting.length < ((nowMs - began) * perS) / 1_000) {
      const asked = performance.now()
      waiting.push(ask().then(() => void took.push(performance.now() - asked)))
    }
    await sleep(1)
  }
  await Promise.all(waiting)
  return took
}

/** A connection that says PING and nothing else. */
async function openPing(port: number): Promise<{ ask(): Promise<void>; close(): void }> {
  const socket = connect(port, '127.0.0.1').setNoDelay(true)
  await once(socket, 'connect')
  const asked: (() => void)[] = []
  socket.on('data', (bytes) => {
    // `+PONG`, and a line's end.
    for (let left = bytes.length; left > 0; left -= 7) asked.shift()?.()
  })
  return {
    ask: () =>
      new Promise((resolve) => {
        asked.push(resolve)
        socket.write('PING\r\n')
      }),
    close: () => socket.destroy(),
  }
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}

/** The latency of checks in a real Redis. Without one, a row that says so. */
export async function redisReplay(): Promise<Rows> {
  const redis = await needComponent('redis-server')
  if (redis.skip !== false) return { redis_replay: { value: 0, unit: `skipped: ${redis.skip}` } }
  const folder = await mkdtemp(join(tmpdir(), 'qip-bench-'))
  const port = await freePort()
  const args = ['--port', String(port), '--bind', '127.0.0.1', '--dir', folder, '--save', '']
  const answers = async (): Promise<boolean> => {
    const socket = connect(port, '127.0.0.1')
    try {
      await once(socket, 'connect')
      return true
    } catch {
      return false
    } finally {
      socket.destroy()
    }
  }
  try {
    await using _ = await openComponent(redis, args, { isReady: answers })
    return await measure(port)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

// The median of the rounds: a neighbour of the machine spoils one, not the row.
function middle(samples: readonly number[][], share: number): number {
  return percentile(
    samples.map((sample) => percentile(sample, share)),
    0.5,
  )
}

async function measure(port: number): Promise<Rows> {
  const guard = await openRedisGuard({ redis: { urls: `redis://127.0.0.1:${port}` }, timeoutMs: 1_000 })
  const ping = await openPing(port)
  const nowS = Math.ceil(Date.now() / 1_000)
  guard.observe({ timeMs: Date.now() + 2_000, logs: new Map([['acme.example/tokens/1', { size: 0 }]]) })
  let index = 0
  let refused = 0
  const check = async (): Promise<void> => {
    const outcome = await guard.consume({
      log: 'acme.example/tokens/1',
      index: index++,
      issuedS: nowS,
      expiresS: nowS + 60,
      nowMs: Date.now(),
      requestId: undefined,
      proxy: undefined,
    })
    if (outcome !== 'fresh') refused++
  }
  const checks: number[][] = []
  const pings: number[][] = []
  await steady(check)
  for (let n = 0; n < rounds; n++) {
    pings.push(await steady(() => ping.ask()))
    checks.push(await steady(check))
  }
  ping.close()
  guard.close()
  const p99 = middle(checks, 0.99)
  return {
    redis_replay: {
      value: round(p99),
      unit: `ms p99 at ${perS}/s`,
      bar: `<= ${barMs} ms`,
      reached: p99 <= barMs && refused === 0,
      detail: {
        p50: round(middle(checks, 0.5)),
        'ping p50': round(middle(pings, 0.5)),
        'ping p99': round(middle(pings, 0.99)),
        'best p99': round(Math.min(...checks.map((sample) => percentile(sample, 0.99)))),
        'worst p99': round(Math.max(...checks.map((sample) => percentile(sample, 0.99)))),
        'not fresh': refused,
      },
    },
  }
}
