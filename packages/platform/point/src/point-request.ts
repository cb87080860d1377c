import type { Carried } from './carried.ts'

/** The certificate that a client showed: on the connection, or to a proxy in front that is believed. */
export interface ClientCertificate {
  /** SHA-256 of the DER encoding. */
  readonly thumbprint: Uint8Array
  /** Whether it chains to an authority that this point accepts. */
  readonly authorized: boolean
  /** The subject's common name, where there is one. */
  readonly commonName: string | undefined
  /** The `spiffe:` URI in its subject alternative name, where there is exactly one (X509-SVID). */
  readonly serviceId: string | undefined
}

/** A request as it reached the first one who is believed: what tokens are bound to, and what policies read. */
export interface RequestCoordinates {
  readonly method: string
  /** The authority byte for byte: `Host`, or `:authority`. */
  readonly authority: string
  readonly scheme: 'http' | 'https'
  /** The request target byte for byte (`@request-target` of RFC 9421, section 2.2.5). */
  readonly target: string
  /** The host alone, lower case. */
  readonly host: string
  /** The path as routes and policies see it, without query. */
  readonly path: string
}

/** One request, whatever carries it. */
export interface PointRequest {
  readonly at: RequestCoordinates
  /** What it carries for the point: `readCarried` reads it. */
  readonly carried: Carried
  readonly certificate?: ClientCertificate | undefined
  /** SHA-256 thumbprint of the key whose proof of possession was verified for this request (RFC 7638). */
  readonly proofKeyThumbprint?: Uint8Array | undefined
  /** SHA-256 of the body, where the point has held it. */
  readonly contentDigest?: Uint8Array | undefined
  /** The request's ID, the same on a retry; with `proxy` only. */
  readonly requestId?: string | undefined
  /** Name of the authenticated proxy that may repeat a request with its one-time token. */
  readonly proxy?: string | undefined
  /** Whether a refusal says why to everybody, for listeners inside. Default: only to callers that proved who they are. */
  readonly explains?: boolean | undefined
}
