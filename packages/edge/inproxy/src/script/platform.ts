/*
 * The check runs in nginx's JavaScript module 0.7.9 (Debian 12) as it stands, types apart: no classes, destructuring, spread, default
 * parameters, `for … of`, optional chaining, `catch` without a name, `Map` or `Set`. A test runs it there. Only what a worker has on top
 * (`worker.ts`, `worker-platform.ts`, `held-parts.ts`, `sha256.ts`) may use more of the language.
 */

/** What the check needs of the runtime that it runs in. */
export interface Platform {
  /** SHA-256 of the parts, one after the other. */
  readonly sha256: (parts: readonly Uint8Array[]) => Uint8Array
  /** Bytes of base64url text whose characters were checked. */
  readonly decode: (text: string) => Uint8Array
  /** Base64url without padding. */
  readonly encode: (bytes: Uint8Array) => string
  /** The characters of ASCII bytes; what is not ASCII becomes anything that is not ASCII either. */
  readonly ascii: (bytes: Uint8Array) => string
  /** Lower-case hexadecimal digits. */
  readonly hex: (bytes: Uint8Array) => string
  /**
   * One part of the held state by its name, `undefined` where there is none. Throws where it cannot be known: what could not be
   * read is never taken for absent.
   */
  readonly read: (name: string) => string | undefined
}
