import {
  type CertificateSource,
  certificateFields,
  readForwardedCertificate,
} from './forwarded-certificate.ts'
import { type ListedPeers, parseListedPeers } from './listed-peers.ts'
import type { ClientCertificate } from './point-request.ts'

/** Who says which certificate a client showed, and how. */
export interface CertificateTellers {
  readonly from: CertificateSource
  /** Addresses or CIDR blocks of the proxies whose word counts; `unix` for peers on a Unix socket. */
  readonly peers: readonly string[]
}

/** Client certificates as proxies in front tell of them: those of listed peers count, and nobody else's. */
export class ToldCertificates {
  /** Lower-case names of the fields that they are told in: for the point, and for nobody behind it. */
  readonly fields: readonly string[]
  readonly #from: CertificateSource
  readonly #peers: ListedPeers

  /**
   * @param refuse - What is thrown for a peer that is neither address nor CIDR block, made from the reason.
   * @throws {TypeError} for such a peer, where `refuse` is absent.
   */
  constructor({ from, peers }: CertificateTellers, refuse?: (reason: string) => Error) {
    this.fields = certificateFields[from]
    this.#from = from
    this.#peers = parseListedPeers(peers, refuse)
  }

  /**
   * The certificate that `peer` tells of in `fields` (flat, lower-case names); `undefined` where its word does not count, or says none.
   * Never throws.
   */
  read(peer: string, fields: readonly string[]): ClientCertificate | undefined {
    return this.#peers.includes(peer) ? readForwardedCertificate(this.#from, fields) : undefined
  }
}
