import { type ClientCertificate, certificateFields, readForwardedCertificate } from '@quantum-ip/point'
import { type TrustedPeers, parseTrustedPeers } from './peers.ts'
import type { ListenerOptions } from './relay-options.ts'
import type { RequestHead } from './request-head.ts'

/** The client certificates that proxies in front tell of: whose word counts, on each listener. */
export class ForwardedCertificates {
  /** The fields of all listeners' sources, which nobody behind the gateway gets. */
  readonly fields: readonly string[]
  readonly #peers = new Map<ListenerOptions, TrustedPeers>()

  /** @throws {EnforceError} `QIP_ENFORCE_OPTION_INVALID` for a peer that is neither an address nor a CIDR block. */
  constructor(listeners: readonly ListenerOptions[]) {
    const fields = new Set<string>()
    for (const listener of listeners) {
      const { clientCertificates } = listener
      if (clientCertificates === undefined) continue
      for (const name of certificateFields[clientCertificates.from]) fields.add(name)
      this.#peers.set(listener, parseTrustedPeers(clientCertificates.peers, 'clientCertificates.peers'))
    }
    this.fields = [...fields]
  }

  /** The certificate of the client of a request; `undefined` where the peer is not one whose word counts. */
  read({ listener, peer, reserved }: RequestHead): ClientCertificate | undefined {
    const from = listener.clientCertificates?.from
    if (from === undefined || this.#peers.get(listener)?.includes(peer) !== true) return undefined
    return readForwardedCertificate(from, reserved)
  }
}
