/**
 * Where the files of logs are kept: a directory, or any store that speaks S3. Paths are those of c2sp.org/tlog-tiles behind a
 * prefix, `tokens/7/tile/0/000.p/3`.
 */
export interface ObjectStore {
  /** For people. */
  readonly name: string
  /** The whole object, `undefined` if there is none. @throws {MirrorError} `QIP_MIRROR_STORE_UNAVAILABLE` */
  read(path: string): Promise<Uint8Array | undefined>
  /**
   * Puts an object in the place of what was there: a reader sees the old one or the new one, never a part. Durable when it
   * resolves.
   *
   * @throws {MirrorError} `QIP_MIRROR_STORE_UNAVAILABLE`: what is there then is the old one or the new one
   */
  write(path: string, bytes: Uint8Array, type?: ObjectType): Promise<void>
  /** Takes an object out; it need not be there. @throws {MirrorError} `QIP_MIRROR_STORE_UNAVAILABLE` */
  remove(path: string): Promise<void>
}

/** What a web server in front of the store says about an object. */
export type ObjectType = 'checkpoint' | 'tile' | 'json'

/** The largest object that is read: a full bundle of entries. */
export const objectBytesMax = 256 * 65_537
