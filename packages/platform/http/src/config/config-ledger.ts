import type { ListenConfig, TlsConfig } from './config.ts'

/** Logs beyond the authority. */
export interface LedgerConfig {
  readonly publish: readonly PublishConfig[]
  /** How often logs that grew are published and cosigned. */
  readonly intervalMs: number
  readonly witnesses: readonly WitnessConfig[]
  /** How many of them must have cosigned a checkpoint before it is shown. */
  readonly quorum: number
}

/** Where logs are published. */
export type PublishConfig =
  | { readonly kind: 'directory'; readonly directory: string }
  | {
      readonly kind: 's3'
      /** `https://host:port`. */
      readonly endpoint: string
      readonly bucket: string
      /** In front of every path, empty for none. */
      readonly prefix: string
      readonly region: string
      /** A file; it holds a secret. */
      readonly credentialsFile: string
    }

/** A witness that checkpoints are submitted to. */
export interface WitnessConfig {
  readonly name: string
  /** Its verifier key, as text: a configuration crosses threads. */
  readonly vkey: string
  /** The submission prefix. */
  readonly url: string
}

/** The mirror. */
export interface MirrorConfig {
  readonly directory: string
  readonly listen: ListenConfig
  readonly tls: TlsConfig | undefined
  /** A file with the bearer tokens of readers. */
  readonly readersFile: string | undefined
  readonly checkEveryMs: number
}

/** What is asked while the authority is away. */
export interface MirrorsConfig {
  /** In the order in which they are asked. */
  readonly urls: readonly string[]
  readonly caFile: string | undefined
  /** A file with a bearer token. */
  readonly tokenFile: string | undefined
}

/** Who must have cosigned the log of an attestation. */
export interface WitnessPolicyConfig {
  /** Verifier keys, as text. */
  readonly vkeys: readonly string[]
  /** 0: the log alone is relied on. */
  readonly quorum: number
}
