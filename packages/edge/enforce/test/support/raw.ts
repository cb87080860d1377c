import { once } from 'node:events'
import { type Server, type Socket, connect, createServer } from 'node:net'

/** A raw connection that collects what arrives. */
export interface RawConnection {
  readonly socket: Socket
  /** What has arrived, as Latin-1. */
  readonly text: string
  send(text: string): void
  /** Waits until what has arrived matches. */
  until(form: RegExp, timeoutMs?: number): Promise<string>
  /** Waits until the other side has closed. */
  closed(timeoutMs?: number): Promise<string>
}

export function collect(socket: Socket): RawConnection {
  let text = ''
  let closed = false
  const waiting = new Set<() => void>()
  const wake = (): void => {
    for (const each of waiting) each()
  }
  socket.on('data', (chunk: Buffer) => {
    text += chunk.toString('latin1')
    wake()
  })
  socket.on('end', wake)
  socket.on('error', () => {})
  socket.on('close', () => {
    closed = true
    wake()
  })
  const wait = (done: () => boolean, what: string, timeoutMs: number): Promise<string> =>
    new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        waiting.delete(check)
        reject(new Error(`${what} did not come; so far: ${JSON.stringify(text.slice(0, 2_000))}`))
      }, timeoutMs)
      const check = (): void => {
        if (!done()) return
        clearTimeout(timer)
        waiting.delete(check)
        resolve(text)
      }
      waiting.add(check)
      check()
    })
  return {
    socket,
    get text() {
      return text
    },
    send: (bytes) => {
      socket.write(bytes, 'latin1')
    },
    until: (form, timeoutMs = 4_000) => wait(() => form.test(text), String(form), timeoutMs),
    closed: (timeoutMs = 4_000) => wait(() => closed || socket.readableEnded, 'the end', timeoutMs),
  }
}

/** Connects to a port of this machine. */
export async function openRaw(port: number, allowHalfOpen = false): Promise<RawConnection> {
  const socket = connect({ port, host: '127.0.0.1', allowHalfOpen })
  await once(socket, 'connect')
  return collect(socket)
}

/** A server that hands over bare connections, in order. */
export interface RawUpstream extends AsyncDisposable {
  readonly port: number
  readonly url: string
  /** Connections taken so far. */
  readonly taken: number
  next(timeoutMs?: number): Promise<RawConnection>
}

export async function openRawUpstream(): Promise<RawUpstream> {
  const arrived: RawConnection[] = []
  const sockets = new Set<Socket>()
  let taken = 0
  let wake: (() => void) | undefined
  const server: Server = createServer({ allowHalfOpen: true }, (socket) => {
    sockets.add(socket)
    socket.on('end', () => {
      if (!socket.listenerCount('half')) socket.end()
    })
    taken++
    arrived.push(collect(socket))
    wake?.()
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as { port: number }
  return {
    port,
    url: `http://127.0.0.1:${port}`,
    get taken() {
      return taken
    },
    async next(timeoutMs = 4_000) {
      const until = Date.now() + timeoutMs
      for (;;) {
        const connection = arrived.shift()
        if (connection !== undefined) return connection
        const leftMs = until - Date.now()
        if (leftMs <= 0) throw new Error('no connection came to the upstream')
        await new Promise<void>((resolve) => {
          const timer = setTimeout(resolve, leftMs)
          wake = () => {
            clearTimeout(timer)
            resolve()
          }
        })
      }
    },
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy()
      server.close()
      await once(server, 'close')
    },
  }
}
