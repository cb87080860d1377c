/** Where private keys live. */
export interface CustodyConfig {
  readonly directory: string
  /** What the directory is sealed with; `undefined`: a passphrase that is drawn for it. */
  readonly passphrase: { readonly file: string } | { readonly systemdCredential: string } | undefined
  /** Where bundle keys and the keys of attestation logs are; `undefined`: in the directory, too. */
  readonly service: KeyServiceConfig | undefined
}

interface KeyServiceBase {
  readonly prefix: string
  readonly timeoutMs: number
}

/** A key service. */
export type KeyServiceConfig = AwsKmsConfig | GoogleKmsConfig | VaultConfig

/** AWS KMS. */
export interface AwsKmsConfig extends KeyServiceBase {
  readonly kind: 'aws-kms'
  readonly region: string
  readonly endpoint: string | undefined
}

/** Google Cloud KMS. */
export interface GoogleKmsConfig extends KeyServiceBase {
  readonly kind: 'google-kms'
  readonly keyRing: string
  readonly protection: 'software' | 'hsm'
  readonly endpoint: string | undefined
}

/** The transit engine of HashiCorp Vault. */
export interface VaultConfig extends KeyServiceBase {
  readonly kind: 'vault'
  readonly url: string
  readonly tokenFile: string
  readonly mount: string
  readonly namespace: string | undefined
  readonly caFile: string | undefined
}
