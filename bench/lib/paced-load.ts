import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'

/** What became of requests. */
export interface PacedOutcome {
  accepted: number
  /** Requests for which no connection was free when they were due. */
  notSent: number
  /** Answers other than 200, by status and code. */
  readonly refused: Map<string, number>
}

/**
 * Sends requests at a steady rate over connections of its own until `signal` is aborted. As little as a client can do, so that it is the
 * server that is busy.
 */
export async function sendPaced(
  to: { readonly port: number; readonly connections: number; readonly perS: number },
  next: () => string,
  signal: AbortSignal,
): Promise<PacedOutcome> {
  const outcome: PacedOutcome = { accepted: 0, notSent: 0, refused: new Map() }
  const sockets = Array.from({ length: to.connections }, () =>
    connect({ port: to.port, host: '127.0.0.1', noDelay: true }),
  )
  await Promise.all(sockets.map((socket) => once(socket, 'connect')))
  const free = [...sockets]
  for (const socket of sockets) listen(socket, outcome, () => free.push(socket))
  const started = performance.now()
  let due = 0
  while (!signal.aborted) {
    const until = ((performance.now() - started) * to.perS) / 1_000
    for (; due < until; due++) {
      const socket = free.pop()
      if (socket === undefined) outcome.notSent++
      else socket.write(next(), 'latin1')
    }
    await sleep(1)
  }
  while (free.length < sockets.length) await sleep(5)
  for (const socket of sockets) socket.destroy()
  return outcome
}

function listen(socket: Socket, outcome: PacedOutcome, done: () => void): void {
  let held = ''
  socket.on('data', (chunk: Buffer) => {
    held += chunk.toString('latin1')
    const end = held.indexOf('\r\n\r\n')
    const [, digits] = /\r\ncontent-length: (\d+)/i.exec(held) ?? []
    if (end < 0 || held.length < end + 4 + Number(digits ?? 0)) return
    const answer = held
    held = ''
    if (answer.startsWith('HTTP/1.1 200')) outcome.accepted++
    else {
      const why = [answer.slice(9, 12), /"(?:reason|code)":"(\w+)"/.exec(answer)?.[1] ?? ''].join(' ').trim()
      outcome.refused.set(why, (outcome.refused.get(why) ?? 0) + 1)
    }
    done()
  })
  socket.on('close', () => {
    if (held === '') return
    outcome.refused.set('closed', (outcome.refused.get('closed') ?? 0) + 1)
    done()
  })
}
