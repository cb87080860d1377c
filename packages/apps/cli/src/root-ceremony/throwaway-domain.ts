import { join } from 'node:path'
import { systemClock, systemRandom } from '@quantum-ip/base'
import { Authority, createJoinToken, serveAuthority } from '@quantum-ip/authority'
import { admit, openSession, openTransport, openTrustFollower, type TrustFollower } from '@quantum-ip/client'
import { pinsOf, TrustStore } from '@quantum-ip/trust'

/** A trust domain for a rehearsal: an authority that listens on loopback, and one verifier that follows it. */
export interface ThrowawayDomain extends AsyncDisposable {
  readonly authority: Authority
  /** `unix:…` */
  readonly address: string
  /** Its custody. */
  readonly keysFolder: string
  readonly follower: TrustFollower
}

const td = 'spiffe://rehearsal.invalid'

/** Opens a trust domain below a folder. */
export async function openThrowawayDomain(folder: string): Promise<ThrowawayDomain> {
  const closing: (() => unknown)[] = []
  const close = async (): Promise<void> => {
    for (const end of closing.splice(0).reverse()) await end()
  }
  try {
    const keysFolder = join(folder, 'keys')
    const authority = await Authority.open({
      trustDomain: td,
      places: {
        folder: join(folder, 'data'),
        highWaterFolder: join(folder, 'high-water'),
        custodyFolder: keysFolder,
      },
      rules: [],
      builders: [],
      requireAttestation: [{ service: '**', demand: 'off' }],
    })
    closing.push(() => authority.close())
    const socket = join(folder, 'authority.sock')
    const listeners = [{ host: '127.0.0.1', port: 0 }, { path: socket }]
    const served = await serveAuthority({ authority, listeners })
    closing.push(() => served.close())
    const follower = await openFollower(authority, served.bound[0]?.url ?? '', closing)
    return { authority, address: `unix:${socket}`, keysFolder, follower, [Symbol.asyncDispose]: close }
  } catch (error) {
    await close()
    throw error
  }
}

async function openFollower(
  authority: Authority,
  url: string,
  closing: (() => unknown)[],
): Promise<TrustFollower> {
  const transport = openTransport({ url })
  closing.push(() => transport.close())
  const ground = { sql: authority.store.sql, clock: systemClock, random: systemRandom, td }
  const order = { sid: `${td}/verifier`, builds: [], role: 'verifier' as const, ttlS: 60 }
  const { token } = await createJoinToken(ground, order)
  const admission = await admit(transport, { method: 'join-token', evidence: { token } })
  const session = openSession({ transport, admission })
  closing.push(() => session.close())
  const store = new TrustStore({ td, pins: pinsOf(authority.root) })
  const follower = await openTrustFollower({ session, store, point: 'rehearsal' })
  closing.push(() => follower.close())
  return follower
}
