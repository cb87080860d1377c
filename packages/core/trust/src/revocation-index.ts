import { parseHex } from '@quantum-ip/base'
import { ExpiryQueue } from './lib/expiry-queue.ts'
import { HashTable } from './lib/hash-table.ts'
import { IndexRanges } from './lib/index-ranges.ts'
import type { RevocationCheck } from './revocation-check.ts'
import type { RevocationRecord } from './revocation-record.ts'

/** All records about one thing, and the `iat` below which they revoke together. */
class Cutoff {
  /** `Infinity` if one of the records knows no `before`. */
  before = 0
  readonly #records: RevocationRecord[] = []

  get isEmpty(): boolean {
    return this.#records.length === 0
  }

  add(record: RevocationRecord): void {
    this.#records.push(record)
    this.before = Math.max(this.before, record.before ?? Number.POSITIVE_INFINITY)
  }

  delete(record: RevocationRecord): void {
    const at = this.#records.indexOf(record)
    if (at >= 0) this.#records.splice(at, 1)
    this.before = this.#records.reduce(
      (latest, { before }) => Math.max(latest, before ?? Number.POSITIVE_INFINITY),
      0,
    )
  }
}

/** What is revoked of one key: all of it, or of some logs what stands at an index or above. */
class KeyCutoff {
  isWhole = false
  readonly fromOf = new Map<string, number>()

  add({ log, from }: RevocationRecord): void {
    if (log === undefined || from === undefined) this.isWhole = true
    else this.fromOf.set(log, Math.min(from, this.fromOf.get(log) ?? Number.POSITIVE_INFINITY))
  }
}

/**
 * The revocations in force, by what they are aimed at. Every check is one look-up and allocates nothing: it is asked on each
 * request, for the token and every hop of its chain.
 */
export class RevocationIndex implements RevocationCheck {
  readonly #keys = new Map<string, KeyCutoff>()
  readonly #identities = new Map<string, Cutoff>()
  readonly #builds = new HashTable<Cutoff>()
  readonly #tokens = new HashTable<Cutoff>()
  readonly #logs = new Map<string, IndexRanges>()
  readonly #expiring = new ExpiryQueue<RevocationRecord>()
  #size = 0

  get size(): number {
    return this.#size
  }

  /** Takes records in, and those out that have expired at `timeS`. */
  apply(records: readonly RevocationRecord[], timeS: number): void {
    for (const record of records) this.#add(record, timeS)
    while (this.#expiring.nextAt <= timeS) {
      const record = this.#expiring.pop()
      if (record !== undefined) this.#delete(record)
    }
    for (const ranges of this.#logs.values()) ranges.commit()
  }

  isKeyRevoked(kid: string): boolean {
    return this.#keys.get(kid)?.isWhole ?? false
  }

  isKeyRevokedAt(kid: string, origin: string, index: number): boolean {
    return index >= this.keyRevokedFrom(kid, origin)
  }

  keyRevokedFrom(kid: string, origin: string): number {
    const key = this.#keys.get(kid)
    if (key === undefined) return Number.POSITIVE_INFINITY
    return key.isWhole ? 0 : (key.fromOf.get(origin) ?? Number.POSITIVE_INFINITY)
  }

  isIdentityRevoked(serviceId: string, iat: number): boolean {
    if (this.#identities.size === 0) return false
    const cutoff = this.#identities.get(serviceId)
    return cutoff !== undefined && iat < cutoff.before
  }

  isBuildRevoked(build: Uint8Array, iat: number): boolean {
    const cutoff = this.#builds.get(build)
    return cutoff !== undefined && iat < cutoff.before
  }

  isTokenRevoked(digest: Uint8Array): boolean {
    return this.#tokens.get(digest) !== undefined
  }

  isEntryRevoked(origin: string, index: number): boolean {
    if (this.#logs.size === 0) return false
    return this.#logs.get(origin)?.has(index) ?? false
  }

  #add(record: RevocationRecord, timeS: number): void {
    const { kind, value, expires } = record
    if (expires !== undefined) {
      if (expires <= timeS) return
      this.#expiring.push(record, expires)
    }
    this.#size++
    if (kind === 'key') return ofKey(this.#keys, value, () => new KeyCutoff()).add(record)
    if (kind === 'identity') return ofKey(this.#identities, value, () => new Cutoff()).add(record)
    const range = rangeOf(record)
    if (range !== undefined) {
      return ofKey(this.#logs, range.log, () => new IndexRanges()).add(range.from, range.to)
    }
    const table = kind === 'build' ? this.#builds : this.#tokens
    const hash = parseHex(value)
    const cutoff = table.get(hash) ?? new Cutoff()
    if (cutoff.isEmpty) table.add(new Uint8Array(hash), cutoff)
    cutoff.add(record)
  }

  // Records about keys never expire, so they are not here.
  #delete(record: RevocationRecord): void {
    const { kind, value } = record
    this.#size--
    if (kind === 'identity') {
      const cutoff = this.#identities.get(value)
      cutoff?.delete(record)
      if (cutoff?.isEmpty === true) this.#identities.delete(value)
      return
    }
    const range = rangeOf(record)
    if (range !== undefined) {
      const ranges = this.#logs.get(range.log)
      ranges?.delete(range.from, range.to)
      if (ranges?.isEmpty === true) this.#logs.delete(range.log)
      return
    }
    const table = kind === 'build' ? this.#builds : this.#tokens
    const hash = parseHex(value)
    const cutoff = table.get(hash)
    cutoff?.delete(record)
    if (cutoff?.isEmpty === true) table.delete(hash)
  }
}

function ofKey<Value>(map: Map<string, Value>, key: string, make: () => Value): Value {
  const found = map.get(key) ?? make()
  map.set(key, found)
  return found
}

/** The entries that a record of kind `token` (by index) or `range` is aimed at. */
function rangeOf({ kind, value, log, from }: RevocationRecord) {
  if (log === undefined) return undefined
  if (kind === 'token') return { log, from: Number(value), to: Number(value) + 1 }
  if (kind === 'range' && from !== undefined) return { log, from, to: Number(value) }
  return undefined
}
