import type { Socket } from 'node:net'

/**
 * The address of the other end of a connection, as lists of peers know it: empty for a Unix socket, `unknown` for a connection that is
 * gone, which no list has.
 *
 * A connection that its peer has reset has no remote address any more, while what was sent before is still read: a request on it must not
 * pass for one on a Unix socket. What such a connection keeps, and a Unix socket never has, is a local address.
 */
export function peerAddress(socket: Pick<Socket, 'remoteAddress' | 'localAddress' | 'destroyed'>): string {
  const { remoteAddress } = socket
  if (remoteAddress !== undefined && remoteAddress !== '') return remoteAddress
  return socket.destroyed || socket.localAddress !== undefined ? 'unknown' : ''
}
