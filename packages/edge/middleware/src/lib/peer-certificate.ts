import { createHash } from 'node:crypto'
import type { Socket } from 'node:net'
import { TLSSocket } from 'node:tls'
import type { ClientCertificate } from '@quantum-ip/point'

// One connection, one certificate: hashed once.
const seen = new WeakMap<Socket, ClientCertificate | null>()

/** The certificate that the client showed on this connection, or `undefined`. */
export function peerCertificate(socket: Socket | null): ClientCertificate | undefined {
  if (!(socket instanceof TLSSocket)) return undefined
  let certificate = seen.get(socket)
  if (certificate === undefined) seen.set(socket, (certificate = readCertificate(socket)))
  return certificate ?? undefined
}

function readCertificate(socket: TLSSocket): ClientCertificate | null {
  const peer = socket.getPeerX509Certificate()
  if (peer === undefined) return null
  const uris = (peer.subjectAltName ?? '').split(', ').filter((name) => name.startsWith('URI:spiffe://'))
  const [uri] = uris
  return {
    thumbprint: createHash('sha256').update(peer.raw).digest(),
    authorized: socket.authorized,
    commonName: /^CN=(.+)$/m.exec(peer.subject)?.[1],
    serviceId: uris.length === 1 && uri !== undefined ? uri.slice('URI:'.length) : undefined,
  }
}
