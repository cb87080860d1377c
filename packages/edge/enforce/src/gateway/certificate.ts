import { createHash } from 'node:crypto'
import type { Socket } from 'node:net'
import { TLSSocket } from 'node:tls'
import type { ClientCertificate } from '@quantum-ip/point'

// One connection, one certificate: hashed once (RFC 8446 has no renegotiation, and post-handshake authentication is off).
const seen = new WeakMap<Socket, ClientCertificate | null>()

/** The certificate that the client showed on this connection, or `undefined`. */
export function clientCertificate(socket: Socket): ClientCertificate | undefined {
  let certificate = seen.get(socket)
  if (certificate === undefined) {
    certificate = socket instanceof TLSSocket ? readCertificate(socket) : null
    seen.set(socket, certificate)
  }
  return certificate ?? undefined
}

function readCertificate(socket: TLSSocket): ClientCertificate | null {
  const peer = socket.getPeerX509Certificate()
  if (peer === undefined) return null
  const commonName = /^CN=(.+)$/m.exec(peer.subject)?.[1]
  const uris = (peer.subjectAltName ?? '').split(', ').filter((name) => name.startsWith('URI:spiffe://'))
  const [uri] = uris
  return {
    thumbprint: createHash('sha256').update(peer.raw).digest(),
    authorized: socket.authorized,
    commonName,
    serviceId: uris.length === 1 && uri !== undefined ? uri.slice('URI:'.length) : undefined,
  }
}
