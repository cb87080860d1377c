import type { PublicKey, SignatureAlgorithm, Signer } from '@quantum-ip/crypto'

/** What a new key is for. */
export interface KeyOrder {
  readonly alg: SignatureAlgorithm
  /**
   * One purpose per key: `bundle`, `qip-log`, `root`, … It is bound to the key in its file, and stands in its name at a key
   * service, so that policies there can tell keys apart.
   */
  readonly purpose: string
}

/** A key in custody. */
export interface CustodyKey {
  readonly publicKey: PublicKey
  readonly purpose: string
}

/** Where private keys live. A key is made there, signs there, and never comes out. Keys are named by their thumbprint. */
export interface Custody {
  /** For people: `files in …`, `AWS KMS in eu-central-1`. */
  readonly name: string
  /** Makes a key. @throws {CustodyError} `QIP_CUSTODY_ALGORITHM_REFUSED` */
  create(order: KeyOrder): Promise<PublicKey>
  /** @throws {CustodyError} `QIP_CUSTODY_KEY_UNKNOWN` */
  publicKey(kid: string): Promise<PublicKey>
  /** A signature over `message` with the empty context, of any length. @throws {CustodyError} `QIP_CUSTODY_KEY_UNKNOWN` */
  sign(kid: string, message: Uint8Array): Promise<Uint8Array>
  list(): Promise<readonly CustodyKey[]>
  /** Destroys a key, or has its service do so after the time that it demands. That there is none is no error. */
  destroy(kid: string): Promise<void>
  close(): Promise<void>
}

/**
 * A key in custody as something that signs.
 *
 * @throws {CustodyError} `QIP_CUSTODY_KEY_UNKNOWN`
 */
export async function custodySigner(custody: Custody, kid: string): Promise<Signer> {
  const publicKey = await custody.publicKey(kid)
  return { publicKey, sign: (message) => custody.sign(kid, message) }
}
