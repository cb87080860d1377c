/** Which Redis, and how it is reached. */
export interface RedisTarget {
  /**
   * What the URL file holds: `redis://user:password@host:6379/0`, or `rediss://…` for TLS. Several lines are some nodes of one cluster; they
   * share user and password.
   */
  readonly urls: string
  /** Redis Cluster. Default: where `urls` has several lines. */
  readonly cluster?: boolean | undefined
  /** PEM certificates that the server must chain to, for `rediss:`. Absent: those of the system. */
  readonly ca?: string | undefined
  /** PEM certificate and key of this client, for `rediss:`. */
  readonly certificate?: string | undefined
  readonly key?: string | undefined
}
