import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import type { Lab } from './lab.ts'

/** A piece of network between two processes, that can be cut. */
export interface TcpRelay {
  readonly url: string
  /** Ends all connections and takes no new one. */
  cut(): void
  mend(): void
  /** Ends all connections, and leads new ones to another port: an address that moved. */
  lead(port: number): void
}

/** Opens a relay to a port of the loopback. */
export async function openTcpRelay(lab: Lab, first: number): Promise<TcpRelay> {
  const open = new Set<Socket>()
  let isCut = false
  let port = first
  const server = createServer((near) => {
    if (isCut) {
      near.destroy()
      return
    }
    const far = connect(port, '127.0.0.1')
    for (const [one, other] of [
      [near, far],
      [far, near],
    ] as const) {
      open.add(one)
      one.on('error', () => other.destroy())
      one.on('close', () => {
        open.delete(one)
        other.destroy()
      })
    }
    near.pipe(far).pipe(near)
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const end = (): void => {
    for (const socket of open) socket.destroy()
  }
  lab.defer(() => {
    end()
    server.close()
  })
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    cut() {
      isCut = true
      end()
    },
    mend() {
      isCut = false
    },
    lead(other) {
      port = other
      end()
    },
  }
}
