import { randomUUID } from 'node:crypto'
import { generatePrivateKey, type PrivateKey, type SignatureAlgorithm } from '@quantum-ip/crypto'

/** A key behind a local server that speaks the API of a key service. Its signatures are real. */
export interface HeldKey {
  readonly id: string
  readonly key: PrivateKey
  /** As the service calls its algorithm. */
  readonly spec: string
  readonly labels: Readonly<Record<string, string>>
  /** Another than enabled: the service refuses to sign. */
  state: string
}

/** What the next requests come to, instead of their answer. */
export type Trouble =
  | 'throttled'
  | 'throttled once'
  | 'denied'
  | 'silent'
  | 'broken'
  | 'wrong signature'
  | 'wrong key'

/** What is behind such a server. */
export class KeyStore {
  readonly keys = new Map<string, HeldKey>()
  /** Every request: operation and what was sent. */
  readonly requests: { readonly operation: string; readonly body: Readonly<Record<string, unknown>> }[] = []
  trouble: Trouble | undefined

  create(
    alg: SignatureAlgorithm,
    spec: string,
    labels: Readonly<Record<string, string>> = {},
    id: string = randomUUID(),
  ): HeldKey {
    const held: HeldKey = { id, key: generatePrivateKey(alg), spec, labels, state: 'ENABLED' }
    this.keys.set(id, held)
    return held
  }

  /** The operations that were asked for since the last call. */
  asked(): readonly string[] {
    return this.requests.splice(0).map(({ operation }) => operation)
  }
}
