import type { IncomingMessage } from 'node:http'
import {
  type ClientCertificate,
  peerAddress,
  peerCertificate,
  type ToldCertificates,
} from '@quantum-ip/point'

/**
 * The certificate of whoever sent a request: that of the connection or, where proxies tell of it, what a listed one says. Then the
 * connection's own is the proxy's, and binds nobody's token.
 */
export function nodeCertificate(
  { socket, rawHeaders }: IncomingMessage,
  told: ToldCertificates | undefined,
): ClientCertificate | undefined {
  if (told === undefined) return peerCertificate(socket)
  return told.read(peerAddress(socket), namedFields(rawHeaders, told.fields))
}

/** The fields of these names out of a flat list: names in lower case, each as often as it is there. */
export function namedFields(rawHeaders: readonly string[], names: readonly string[]): string[] {
  const found: string[] = []
  for (let i = 0; i + 1 < rawHeaders.length; i += 2) {
    const name = (rawHeaders[i] as string).toLowerCase()
    if (names.includes(name)) found.push(name, rawHeaders[i + 1] as string)
  }
  return found
}
