/** One-time tokens. */
export interface ReplayConfig {
  /**
   * `single`: this is the only instance per service. `instance`: there are several and each counts for itself. `shared`: they
   * count together in `redis`.
   */
  readonly scope: 'single' | 'instance' | 'shared'
  readonly bytesMax: number
  /** How long the same request may come again; 0: never. */
  readonly retryWindowMs: number
  readonly redis: ReplayRedisConfig | undefined
}

/** The Redis in which the instances of a service count together. */
export interface ReplayRedisConfig {
  /** A file with URLs; they hold a password. */
  readonly urlFile: string
  readonly cluster: boolean
  readonly caFile: string | undefined
  readonly certificateFile: string | undefined
  readonly keyFile: string | undefined
  readonly timeoutMs: number
  readonly onUnavailable: 'reject' | 'local'
  readonly failoverMarginMs: number
}

/** Proxies in front that may send a request again with its one-time token. */
export interface RetriesConfig {
  /** Service IDs or common names, of their client certificates. */
  readonly proxies: readonly string[]
  /** The field that says which request it is, lower case. */
  readonly requestIdField: string
}

/** Client certificates on the gateway's listener. */
export interface ClientCertificateConfig {
  readonly caFile: string
  readonly demand: 'optional' | 'required'
}
