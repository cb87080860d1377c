// Verifiers as they follow the trust state, several in one process, each with a session and a feed of its own. They reach the
// authority through a relay of this process, so that their connections can be cut.
import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { admit, openSession, openTransport, openTrustFollower, type TrustFollower } from '@quantum-ip/client'
import { TrustStore } from '@quantum-ip/trust'
import { answerLines } from '../lib/answer-lines.ts'

/** What they are started with, as their one argument. */
export interface FollowersStart {
  readonly url: string
  readonly td: string
  readonly tokens: readonly string[]
  readonly pins: { readonly thumbprints: readonly string[]; readonly threshold: number }
}

/** What is asked of them. */
export type FollowersQuestion = { readonly ask: 'cut' | 'epochs' | 'times' }

/** For each follower, when each epoch from 1 on took effect there: milliseconds since 1970; 0 if it did not. */
export type FollowerTimes = readonly (readonly number[])[]

const { url, td, tokens, pins } = JSON.parse(process.argv[2] ?? '') as FollowersStart
const target = new URL(url)
const sockets = new Set<Socket>()
const relay = createServer((client) => {
  const upstream = connect(Number(target.port), target.hostname)
  for (const socket of [client, upstream]) {
    sockets.add(socket)
    socket.on('error', () => undefined)
    socket.on('close', () => {
      sockets.delete(socket)
      client.destroy()
      upstream.destroy()
    })
  }
  client.pipe(upstream).pipe(client)
})
relay.listen(0, '127.0.0.1')
await once(relay, 'listening')
const relayed = `http://127.0.0.1:${(relay.address() as AddressInfo).port}`

const times: number[][] = []
const followers: TrustFollower[] = []
for (const [nth, token] of tokens.entries()) {
  const transport = openTransport({ url: relayed })
  const admission = await admit(transport, { method: 'join-token', evidence: { token } })
  const store = new TrustStore({ td, pins })
  const seen: number[] = []
  times.push(seen)
  store.subscribe({
    onEpoch(epoch) {
      const nowMs = Date.now()
      while (seen.length < epoch) seen.push(nowMs)
    },
  })
  const session = openSession({ transport, admission })
  followers.push(await openTrustFollower({ session, store, point: `edge-${process.pid}-${nth}` }))
}

answerLines({
  info: { followers: followers.length },
  answer(question) {
    const { ask } = question as FollowersQuestion
    if (ask === 'epochs') return followers.map(({ store }) => store.epoch)
    if (ask === 'times') return times
    for (const socket of sockets) socket.destroy()
    return {}
  },
  async close() {
    await Promise.all(followers.map((follower) => follower.close()))
    relay.close()
  },
})
