import { type Clock, type Random, systemClock, systemRandom } from '@quantum-ip/base'
import type { ProofSigner } from '@quantum-ip/crypto'
import { headerNames, proofHeaderName, signProofToken } from '@quantum-ip/token'

/** What {@link proofFields} needs. */
export interface ProofFieldsOptions {
  /** The key that the token is bound to: `parseProofSigner` takes a JWK, `proofSigner` a key of custody. */
  readonly signer: ProofSigner
  readonly token: string
  /** What is asked. The query is not a part of the proof. */
  readonly url: string | URL
  readonly clock?: Clock
  readonly random?: Random
}

/**
 * The fields of one request with a token that is bound to a key: the token, and the proof that this caller has the key. The proof is
 * good once, for 30 seconds: a request that is sent again needs another.
 *
 * @throws {TokenError} `QIP_TOKEN_REQUEST_PART_MALFORMED` for a URL that no proof can be for.
 *
 * @example
 * await fetch(url, { headers: await proofFields({ signer, token, url }) })
 */
export async function proofFields(options: ProofFieldsOptions): Promise<Record<string, string>> {
  const { signer, token, url, clock = systemClock, random = systemRandom } = options
  const nonce = random.bytes(16)
  const proof = await signProofToken({ signer, token, uri: String(url), nowS: clock.now() / 1_000, nonce })
  return { [headerNames.token]: token, [proofHeaderName]: proof }
}
