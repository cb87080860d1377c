import { X509Certificate } from 'node:crypto'
import { isIP } from 'node:net'
import type { PeerCertificate } from 'node:tls'
import type { Metadata, ServerInterceptingCallInterface } from '@grpc/grpc-js'
import { certificateOf, type ClientCertificate, type ToldCertificates } from '@quantum-ip/point'

/** The certificate of whoever makes a call: that of the connection or, where proxies tell of it, what a listed one says. */
export function grpcCertificate(
  call: ServerInterceptingCallInterface,
  metadata: Metadata,
  told: ToldCertificates | undefined,
): ClientCertificate | undefined {
  if (told !== undefined) return told.read(peerOf(call), toldIn(metadata, told.fields))
  const { sslPeerCertificate } = call.getAuthContext()
  return sslPeerCertificate && shown(sslPeerCertificate)
}

// One connection, one certificate, and an object of its own for each call: it is read once by its hash, which OpenSSL made.
const known = new Map<string, ClientCertificate>()
const knownMax = 1_024

// A server of gRPC says which certificate was shown only where it holds (`socket.authorized`).
function shown({ raw, fingerprint256 }: PeerCertificate): ClientCertificate {
  let certificate = known.get(fingerprint256)
  if (certificate === undefined) {
    certificate = certificateOf(new X509Certificate(raw), true)
    if (known.size >= knownMax) known.clear()
    known.set(fingerprint256, certificate)
  }
  return certificate
}

function toldIn(metadata: Metadata, names: readonly string[]): string[] {
  return names.flatMap((name) => metadata.get(name).flatMap((value) => [name, String(value)]))
}

// `127.0.0.1:50051`, `::1:50051`. What has no address is nobody: a call that is over has none, as one by a socket in the file system.
function peerOf(call: ServerInterceptingCallInterface): string {
  const address = call.getPeer().replace(/:\d+$/, '')
  return isIP(address) === 0 ? 'unknown' : address
}
