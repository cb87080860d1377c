import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { lengthOf } from './http-load.ts'

/** A connection, and what it waits for. */
interface Line {
  readonly socket: Socket
  held: string
  /** When the request that is on its way was due, milliseconds. */
  dueMs: number
}

/**
 * Sends requests over connections of its own and times each answer: as many as the server takes, or at a steady rate.
 *
 * At a steady rate a request counts from when it was *due*, whether or not a connection was free then: a server that stands still for
 * 100 ms has made a hundred callers wait, not one (coordinated omission). Meanwhile this process looks at its sockets without ever
 * sleeping, so that the times are those of the server and not of a timer. Run it on a core of its own.
 */
export class TimedLoad implements Disposable {
  readonly #lines: readonly Line[]
  readonly #free: Line[]
  #onAnswer: (line: Line) => void = () => {}
  #fail: (error: Error) => void = () => {}

  private constructor(lines: readonly Line[]) {
    this.#lines = lines
    this.#free = [...lines]
    for (const line of lines) {
      line.socket.on('data', (chunk: Buffer) => this.#read(line, chunk))
      line.socket.on('close', () => this.#fail(new Error('the server closed a connection')))
      line.socket.on('error', () => line.socket.destroy())
    }
  }

  static async open(port: number, connections: number): Promise<TimedLoad> {
    const sockets = Array.from({ length: connections }, () =>
      connect({ port, host: '127.0.0.1', noDelay: true }),
    )
    await Promise.all(sockets.map((socket) => once(socket, 'connect')))
    return new TimedLoad(sockets.map((socket) => ({ socket, held: '', dueMs: 0 })))
  }

  /** Sends all of them, on each connection one after the other. Returns the milliseconds that each took; rejects unless each is answered with 200. */
  saturate(requests: readonly string[]): Promise<readonly number[]> {
    let sent = 0
    return this.#run(requests.length, (line) => {
      const request = requests[sent++]
      if (request === undefined) return
      line.dueMs = performance.now()
      line.socket.write(request, 'latin1')
    })
  }

  /** Sends them at a steady rate. Returns the milliseconds from when each was due to its answer; rejects unless each is answered with 200. */
  pace(requests: readonly string[], perS: number): Promise<readonly number[]> {
    const free: Line[] = []
    let sent = 0
    let isOver = false
    const done = this.#run(requests.length, (line) => void free.push(line)).finally(() => {
      isOver = true
    })
    const startedMs = performance.now() + 1
    const step = (): void => {
      if (isOver) return
      const nowMs = performance.now()
      while (sent < requests.length && free.length > 0) {
        const dueMs = startedMs + (sent * 1_000) / perS
        if (dueMs > nowMs) break
        const line = free.pop() as Line
        line.dueMs = dueMs
        line.socket.write(requests[sent++] as string, 'latin1')
      }
      setImmediate(step)
    }
    step()
    return done
  }

  [Symbol.dispose](): void {
    this.#fail = () => {}
    for (const { socket } of this.#lines) socket.destroy()
  }

  // Hands every free connection to `use` and each again once it is answered, until there are `count` answers.
  #run(count: number, use: (line: Line) => void): Promise<readonly number[]> {
    const took = new Float64Array(count)
    let answered = 0
    return new Promise((resolve, reject) => {
      this.#fail = reject
      this.#onAnswer = (line) => {
        took[answered++] = performance.now() - line.dueMs
        use(line)
        if (answered === count) resolve([...took])
      }
      for (const line of this.#free) use(line)
    })
  }

  #read(line: Line, chunk: Buffer): void {
    line.held += chunk.toString('latin1')
    const length = lengthOf(line.held)
    if (length < 0 || line.held.length < length) return
    const answer = line.held
    line.held = ''
    if (answer.startsWith('HTTP/1.1 200')) this.#onAnswer(line)
    else this.#fail(new Error(`not what the bench asked for: ${answer.slice(0, 600)}`))
  }
}
