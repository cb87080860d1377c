import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'

/** A stretch of network that can be cut. */
export interface Partition extends AsyncDisposable {
  readonly url: string
  /** Nothing gets through from now on: connections end, and new ones are refused. */
  cut(): void
  heal(): void
}

/** Opens a way to a server of this machine that can be cut. */
export async function openPartition(to: string): Promise<Partition> {
  const target = new URL(to)
  const sockets = new Set<Socket>()
  let isCut = false
  const keep = (socket: Socket): void => {
    sockets.add(socket)
    socket.on('error', () => socket.destroy())
    socket.on('close', () => sockets.delete(socket))
  }
  const server = createServer((socket) => {
    if (isCut) return void socket.destroy()
    const onward = connect({ port: Number(target.port), host: target.hostname })
    keep(socket)
    keep(onward)
    socket.on('close', () => onward.destroy())
    onward.on('close', () => socket.destroy())
    socket.pipe(onward).pipe(socket)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const end = (): void => {
    for (const socket of sockets) socket.destroy()
  }
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    cut() {
      isCut = true
      end()
    },
    heal() {
      isCut = false
    },
    async [Symbol.asyncDispose]() {
      end()
      server.close()
      await once(server, 'close')
    },
  }
}
