import type { IncomingMessage } from 'node:http'
import { type Socket, isIP, connect as netConnect } from 'node:net'
import { type ConnectionOptions, connect as tlsConnect } from 'node:tls'
import { nominated } from './field-scan.ts'
import type { Upstream } from './upstream.ts'

/** Ends a side of a tunnel: what was written goes out, but nobody waits for a peer that does not take it. */
export function finishSocket(socket: Socket): void {
  if (socket.writableLength === 0) {
    socket.destroy()
    return
  }
  socket.destroySoon()
  setTimeout(() => socket.destroy(), 5_000).unref()
}

/** Connects to an upstream for a tunnel, whose sides may end one after the other. */
export function connectTo({ connect, serverName }: Upstream): Socket {
  const { ca, cert, key } = connect.tls
  if (connect.socketPath !== undefined) return netConnect({ path: connect.socketPath, allowHalfOpen: true })
  const { host, port } = connect
  if (!connect.secure) return netConnect({ host, port, allowHalfOpen: true })
  const options: ConnectionOptions & { allowHalfOpen: boolean } = {
    host,
    port,
    allowHalfOpen: true,
    ALPNProtocols: ['http/1.1'],
    // An address is no name (RFC 6066, section 3).
    ...(serverName !== undefined && isIP(serverName) === 0 && { servername: serverName }),
    ...(ca !== undefined && { ca }),
    ...(cert !== undefined && { cert }),
    ...(key !== undefined && { key }),
  }
  return tlsConnect(options)
}

/** The head of an upstream's 101 answer as the client gets it. */
export function switchingHead(response: IncomingMessage): string {
  const raw = response.rawHeaders
  const names = nominated(response.headers.connection ?? '')
  let head = `HTTP/1.1 101 ${response.statusMessage ?? 'Switching Protocols'}\r\n`
  for (let i = 0; i < raw.length; i += 2) {
    const lower = (raw[i] as string).toLowerCase()
    // What an upgrade is made of stays; the rest of the connection's own fields goes.
    if (
      lower === 'keep-alive' ||
      lower === 'transfer-encoding' ||
      lower === 'content-length' ||
      lower === 'proxy-connection'
    )
      continue
    if (lower !== 'upgrade' && lower !== 'connection' && names?.has(lower) === true) continue
    head +=
      lower === 'connection' ? 'connection: upgrade\r\n' : `${raw[i] as string}: ${raw[i + 1] as string}\r\n`
  }
  return `${head}\r\n`
}
