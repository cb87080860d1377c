// rotation: requests through a gateway that is enrolled, while the issuing key is rotated again and again.
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import {
  admit,
  type IssuedToken,
  openSession,
  openTransport,
  requestTokens,
  type Session,
} from '@quantum-ip/client'
import { leaveServerCore, startServer } from '../lib/child.ts'
import { percentile, round, type Rows } from '../lib/measure.ts'
import { sendPaced } from '../lib/paced-load.ts'
import type { FollowingGatewayStart } from '../servers/following-gateway.ts'
import { authorityFile, type AuthorityInfo } from './issuance.ts'

const gatewayFile = fileURLToPath(new URL('../servers/following-gateway.ts', import.meta.url))
const upstreamFile = fileURLToPath(new URL('../servers/upstream.ts', import.meta.url))

const perS = 2_000
const rotations = 8
/** Between two rotations, in which every member of the fleet draws new tokens. */
const restMs = 2_000
const warmMs = 3_000
/** Tokens in use at once: half of them are always younger than a second or two. */
const inUse = 400

/** What an authority says of a rotation that it was asked for. */
interface Rotated {
  readonly phase: string
  readonly waitedMs: number
}

/** Draws tokens all the time; the newest ones take the place of the oldest. */
class Tokens {
  readonly #session: Session
  readonly #service: string
  #held: readonly IssuedToken[] = []
  drawn = 0

  constructor(session: Session, service: string) {
    this.#session = session
    this.#service = service
  }

  any(): IssuedToken {
    return this.#held[Math.floor(Math.random() * this.#held.length)] as IssuedToken
  }

  async draw(): Promise<void> {
    const fresh = await requestTokens(this.#session, { audience: this.#service, count: 20 })
    this.drawn += fresh.length
    this.#held = [...this.#held, ...fresh].slice(-inUse)
  }

  async drawUntil(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await this.draw()
      await sleep(100)
    }
  }
}

function requestOf({ token, staple }: IssuedToken): string {
  const fields = [
    'GET /orders HTTP/1.1',
    'host: shop.acme.example',
    `quantum-ip: ${token}`,
    ...(staple === undefined ? [] : [`quantum-ip-head: ${staple}`]),
  ]
  return `${fields.join('\r\n')}\r\n\r\n`
}

/** Rotates the issuing key eight times under 2,000 requests a second: how many good requests are refused. */
export async function rotation(): Promise<Rows> {
  leaveServerCore()
  await using authority = await startServer<AuthorityInfo>(authorityFile)
  await using upstream = await startServer<{ readonly port: number }>(upstreamFile, [], 'client')
  const { url, td, joinTokens, memberTokens, pins } = authority.info
  const service = `${td}/ns/prod/sa/shop`
  const start: FollowingGatewayStart = {
    url,
    td,
    token: memberTokens[0] ?? '',
    pins,
    service,
    upstreamPort: upstream.info.port,
  }
  await using gateway = await startServer<{ readonly port: number }>(gatewayFile, [JSON.stringify(start)])
  const transport = openTransport({ url })
  const evidence = { token: joinTokens[0] ?? '' }
  const session = openSession({
    transport,
    admission: await admit(transport, { method: 'join-token', evidence }),
  })
  const tokens = new Tokens(session, service)
  await tokens.draw()
  const stop = new AbortController()
  const drawing = tokens.drawUntil(stop.signal)
  const startedMs = performance.now()
  const load = { port: gateway.info.port, connections: 64, perS }
  const sending = sendPaced(load, () => requestOf(tokens.any()), stop.signal)
  await sleep(warmMs)
  const waits: number[] = []
  for (let nth = 0; nth < rotations; nth++) {
    const { phase, waitedMs } = (await authority.ask({ rotate: 'qip-token' })) as Rotated
    if (phase !== 'settling') throw new Error(`a rotation is ${phase}`)
    waits.push(waitedMs)
    await sleep(restMs)
  }
  stop.abort()
  const { accepted, notSent, refused } = await sending
  const seconds = (performance.now() - startedMs) / 1_000
  await drawing
  session.close()
  await transport.close()
  const wrong = [...refused.values()].reduce((sum, count) => sum + count, 0)
  const rate = accepted / seconds
  return {
    rotation: {
      value: wrong,
      unit: 'wrong rejections',
      bar: '0 at 2,000 requests/s',
      reached: wrong === 0 && rate >= perS * 0.95,
      detail: {
        'requests/s': Math.round(rate),
        requests: accepted + wrong,
        'not sent in time': notSent,
        rotations,
        'gate ms': round(percentile(waits, 0.5)),
        'gate ms max': round(Math.max(...waits)),
        'tokens drawn': tokens.drawn,
        ...Object.fromEntries(refused),
      },
    },
  }
}
