// A verifier as a process of its own that does nothing but follow the trust state: for what the feed costs.
import { admit, openSession, openTransport, openTrustFollower } from '@quantum-ip/client'
import { systemClock } from '@quantum-ip/base'
import { TrustStore } from '@quantum-ip/trust'
import { createVerifier } from '@quantum-ip/verifier'
import { answerLines } from '../lib/answer-lines.ts'

/** What the follower is started with, as its one argument. */
export interface FollowerStart {
  readonly url: string
  readonly td: string
  readonly token: string
  readonly pins: { readonly thumbprints: readonly string[]; readonly threshold: number }
}

const { url, td, token, pins } = JSON.parse(process.argv[2] ?? '') as FollowerStart
const transport = openTransport({ url })
const session = openSession({
  transport,
  admission: await admit(transport, { method: 'join-token', evidence: { token } }),
})
const store = new TrustStore({ td, pins })
const verifier = createVerifier({ trust: store, clock: systemClock })
const follower = await openTrustFollower({ session, store, point: 'bench' })

answerLines({
  info: { mode: follower.status().mode },
  answer: () => ({ seq: follower.status().seq ?? 0, heads: store.state?.heads.length ?? 0 }),
  async close() {
    verifier.close()
    await follower.close()
    await transport.close()
  },
})
