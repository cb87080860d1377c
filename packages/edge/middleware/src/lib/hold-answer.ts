import type { ServerResponse } from 'node:http'
import { constants, type Http2ServerResponse } from 'node:http2'
import type { Duplex } from 'node:stream'
import type { Hold } from './open-calls.ts'

/** Holds a call as long as its answer is not over. Returns whether there is still somebody to answer. */
export function holdAnswer(hold: Hold | undefined, response: ServerResponse): boolean {
  if (response.closed) {
    // What was taken with the verdict is given back all the same.
    hold?.(() => undefined)()
    return false
  }
  if (hold !== undefined)
    response.on(
      'close',
      hold(() => cutAnswer(response)),
    )
  return true
}

/** The same for a connection that was taken over, to WebSocket say. */
export function holdSocket(hold: Hold | undefined, socket: Duplex): boolean {
  if (socket.destroyed) {
    hold?.(() => undefined)()
    return false
  }
  if (hold !== undefined)
    socket.on(
      'close',
      hold(() => void socket.destroy()),
    )
  return true
}

// Both directions end: what a caller goes on sending reaches nobody either.
function cutAnswer(response: ServerResponse): void {
  const { stream } = response as unknown as Partial<Http2ServerResponse>
  if (stream === undefined) response.destroy()
  else stream.close(constants.NGHTTP2_CANCEL)
}
