import { type X509Certificate, createHash } from 'node:crypto'
import type { Socket } from 'node:net'
import { TLSSocket } from 'node:tls'
import type { ClientCertificate } from './point-request.ts'

// One connection, one certificate: hashed once (RFC 8446 has no renegotiation, and post-handshake authentication is off).
const seen = new WeakMap<Socket, ClientCertificate | null>()

/** The certificate that the client showed on this connection, or `undefined`. */
export function peerCertificate(socket: Socket | null): ClientCertificate | undefined {
  if (!(socket instanceof TLSSocket)) return undefined
  let certificate = seen.get(socket)
  if (certificate === undefined) {
    const peer = socket.getPeerX509Certificate()
    certificate = peer === undefined ? null : certificateOf(peer, socket.authorized)
    seen.set(socket, certificate)
  }
  return certificate ?? undefined
}

/** What a point reads of a certificate. `authorized`: whether whoever ended TLS found it to chain to what it trusts. */
export function certificateOf(certificate: X509Certificate, authorized: boolean): ClientCertificate {
  const { raw, subject, subjectAltName = '' } = certificate
  const uris = subjectAltName.split(', ').flatMap((name) => (name.startsWith('URI:') ? [name.slice(4)] : []))
  return {
    thumbprint: createHash('sha256').update(raw).digest(),
    authorized,
    commonName: /^CN=(.+)$/m.exec(subject)?.[1],
    serviceId: serviceIdOf(uris),
  }
}

/** The one `spiffe:` URI among those of a certificate (X509-SVID); of two, neither. */
function serviceIdOf(uris: readonly string[]): string | undefined {
  const ids = uris.filter((uri) => uri.startsWith('spiffe://'))
  return ids.length === 1 ? ids[0] : undefined
}
