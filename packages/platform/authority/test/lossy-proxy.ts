import { connect, createServer, type Server, type Socket } from 'node:net'

/** What becomes of a message that holds `COMMIT`: its answer is lost, or it is itself. */
export type CommitFault = 'answer' | 'message'

/** A relay before PostgreSQL that can lose what belongs to a commit. */
export class LossyProxy {
  /** Asked about each commit. */
  fault: () => CommitFault | undefined = () => undefined
  commits = 0
  readonly #server: Server
  readonly #sockets = new Set<Socket>()

  private constructor(server: Server) {
    this.#server = server
  }

  /** Relays to `port` of the loopback. */
  static async open(port: number): Promise<LossyProxy> {
    const server = createServer()
    const proxy = new LossyProxy(server)
    server.on('connection', (socket) => proxy.#relay(socket, connect(port, '127.0.0.1')))
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    return proxy
  }

  get port(): number {
    return (this.#server.address() as { port: number }).port
  }

  close(): void {
    this.#server.close()
    for (const socket of this.#sockets) socket.destroy()
  }

  #relay(near: Socket, far: Socket): void {
    let answers = true
    for (const [one, other] of [
      [near, far],
      [far, near],
    ] as const) {
      this.#sockets.add(one)
      one.on('error', () => undefined)
      one.on('close', () => {
        this.#sockets.delete(one)
        // The server learns of it late, as it does from a machine that is gone.
        setTimeout(() => other.destroy(), 300)
      })
    }
    near.on('data', (bytes) => {
      const fault = bytes.includes('COMMIT') ? this.#count() : undefined
      if (fault !== undefined) answers = false
      if (fault !== 'message') far.write(bytes)
      if (fault !== undefined) setTimeout(() => near.destroy(), 20)
    })
    far.on('data', (bytes) => answers && near.write(bytes))
  }

  #count(): CommitFault | undefined {
    this.commits += 1
    return this.fault()
  }
}
