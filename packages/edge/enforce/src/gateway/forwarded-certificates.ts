import { type ClientCertificate, ToldCertificates } from '@quantum-ip/point'
import { optionRefusal } from './peers.ts'
import type { ListenerOptions } from './relay-options.ts'
import type { RequestHead } from './request-head.ts'

/** The client certificates that proxies in front tell of: whose word counts, on each listener. */
export class ForwardedCertificates {
  /** The fields of all listeners' sources, which nobody behind the point gets. */
  readonly fields: readonly string[]
  readonly #told = new Map<ListenerOptions, ToldCertificates>()

  /** @throws {EnforceError} `QIP_ENFORCE_OPTION_INVALID` for a peer that is neither an address nor a CIDR block. */
  constructor(listeners: readonly ListenerOptions[]) {
    const fields = new Set<string>()
    for (const listener of listeners) {
      const { clientCertificates } = listener
      if (clientCertificates === undefined) continue
      const told = new ToldCertificates(clientCertificates, optionRefusal('clientCertificates.peers'))
      for (const name of told.fields) fields.add(name)
      this.#told.set(listener, told)
    }
    this.fields = [...fields]
  }

  /** The certificate of the client of a request; `undefined` where the peer is not one whose word counts. */
  read({ listener, peer, reserved }: RequestHead): ClientCertificate | undefined {
    return this.#told.get(listener)?.read(peer, reserved)
  }
}
