import { once } from 'node:events'
import { connect, type Socket } from 'node:net'

/**
 * Sends requests over connections of its own, one after the other on each, and reads the answers: as little as a client can do,
 * so that it is the server that is busy.
 */
export class HttpLoad implements Disposable {
  readonly #sockets: readonly Socket[]

  private constructor(sockets: readonly Socket[]) {
    this.#sockets = sockets
  }

  static async open(port: number, connections: number): Promise<HttpLoad> {
    const sockets = Array.from({ length: connections }, () =>
      connect({ port, host: '127.0.0.1', noDelay: true }),
    )
    await Promise.all(sockets.map((socket) => once(socket, 'connect')))
    return new HttpLoad(sockets)
  }

  /** Sends each of the requests, and rejects if one is not answered with 200. */
  async send(requests: readonly string[]): Promise<void> {
    let sent = 0
    const next = (): string | undefined => requests[sent++]
    await Promise.all(this.#sockets.map((socket) => sendAll(socket, next)))
  }

  [Symbol.dispose](): void {
    for (const socket of this.#sockets) socket.destroy()
  }
}

function sendAll(socket: Socket, next: () => string | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    let held = ''
    const settle = (error?: Error): void => {
      socket.off('data', onData)
      socket.off('close', onClose)
      if (error === undefined) resolve()
      else reject(error)
    }
    const go = (): void => {
      const request = next()
      if (request === undefined) settle()
      else socket.write(request, 'latin1')
    }
    const onData = (chunk: Buffer): void => {
      held += chunk.toString('latin1')
      const length = lengthOf(held)
      if (length < 0 || held.length < length) return
      const answer = held
      held = ''
      if (answer.startsWith('HTTP/1.1 200')) go()
      else settle(new Error(`not what the bench asked for: ${answer.slice(0, 600)}`))
    }
    const onClose = (): void => settle(new Error('the server closed a connection'))
    socket.on('data', onData)
    socket.on('close', onClose)
    go()
  })
}

/** How long the answer is, head included; -1 as long as its head is not whole. All answers say how long they are. */
export function lengthOf(text: string): number {
  const end = text.indexOf('\r\n\r\n')
  if (end < 0) return -1
  const [, digits] = /\r\ncontent-length: (\d+)/i.exec(text) ?? []
  if (digits === undefined) throw new Error(`an answer without a length: ${text.slice(0, 300)}`)
  return end + 4 + Number(digits)
}
