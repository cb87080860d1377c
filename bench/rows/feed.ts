// feed_cost: what a verifier receives and computes while the fleet draws single tokens.
import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Server } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { leaveServerCore, startServer } from '../lib/child.ts'
import { admitOver, type HttpSession, postIn } from '../lib/http-session.ts'
import { round, type Rows } from '../lib/measure.ts'
import type { FollowerStart } from '../servers/follower.ts'
import { authorityFile, type AuthorityInfo } from './issuance.ts'

const followerFile = fileURLToPath(new URL('../servers/follower.ts', import.meta.url))
const rates = [50, 300, 1_000]
const settleMs = 3_000
const measureMs = 12_000

/** Counts what flows to whoever connects through it. */
interface CountingRelay {
  readonly url: string
  readonly received: () => number
  readonly server: Server
}

async function openRelay(target: string): Promise<CountingRelay> {
  const { hostname, port } = new URL(target)
  let received = 0
  const server = createServer((client) => {
    const upstream = connect(Number(port), hostname)
    upstream.on('data', (chunk) => (received += chunk.length))
    client.pipe(upstream).pipe(client)
    for (const socket of [client, upstream]) socket.on('error', () => socket.destroy())
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    received: () => received,
    server,
  }
}

/** Draws single tokens at a steady rate until `stop` says so. Returns how many there were. */
async function draw(
  session: HttpSession,
  body: string,
  load: { perS: number; stop: () => boolean },
): Promise<number> {
  const started = performance.now()
  let sent = 0
  let open = 0
  while (!load.stop()) {
    const due = ((performance.now() - started) * load.perS) / 1_000
    while (sent < due && open < 256) {
      sent++
      open++
      void postIn(session, '/v1/tokens', body).finally(() => open--)
    }
    await sleep(2)
  }
  return sent
}

/** What the feed costs a verifier while the fleet draws 50, 300 and 1,000 single tokens per second. */
export async function feedCost(): Promise<Rows> {
  leaveServerCore()
  await using authority = await startServer<AuthorityInfo>(authorityFile)
  const { url, td, joinTokens, memberTokens, pins } = authority.info
  const relay = await openRelay(url)
  const start: FollowerStart = { url: relay.url, td, token: memberTokens[0] ?? '', pins }
  await using follower = await startServer(followerFile, [JSON.stringify(start)], 'client')
  const session = await admitOver(url, joinTokens[0] ?? '', 64)
  const body = JSON.stringify({ audience: `${td}/ns/prod/sa/shop`, oneTime: true })
  const detail: Record<string, number> = {}
  let kbPerS = 0
  let core = 0
  for (const perS of rates) {
    let stopped = false
    const drawing = draw(session, body, { perS, stop: () => stopped })
    await sleep(settleMs)
    const [bytes, cpu, at] = [relay.received(), await follower.cpuUs(), performance.now()]
    await sleep(measureMs)
    const seconds = (performance.now() - at) / 1_000
    kbPerS = (relay.received() - bytes) / 1_000 / seconds
    core = ((await follower.cpuUs()) - cpu) / 1e6 / seconds
    stopped = true
    const drawn = await drawing
    detail[`drawn at ${perS}/s`] = round(drawn / (seconds + settleMs / 1_000))
    detail[`KB/s at ${perS}/s`] = round(kbPerS)
    detail[`% of a core at ${perS}/s`] = round(core * 100)
  }
  relay.server.close()
  await session.pool.close()
  return {
    feed_cost: {
      value: round(kbPerS),
      unit: 'KB/s at 1,000 tokens/s',
      bar: '<= 100 KB/s and <= 2 % of a core at 1,000',
      reached: kbPerS <= 100 && core <= 0.02,
      detail,
    },
  }
}
