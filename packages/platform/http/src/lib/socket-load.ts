import type { ServerResponse } from 'node:http'
import type { Socket } from 'node:net'

/** How many requests each connection has in flight: HTTP/1.1 clients may send several ahead. */
export class SocketLoad {
  readonly #counts = new WeakMap<Socket, number>()

  begin(socket: Socket, response: ServerResponse): void {
    this.#counts.set(socket, this.of(socket) + 1)
    response.once('close', () => this.#counts.set(socket, this.of(socket) - 1))
  }

  of(socket: Socket): number {
    return this.#counts.get(socket) ?? 0
  }
}
