import {
  concatBytes,
  isServiceId,
  type JsonObject,
  lengthPrefixed,
  limits,
  u64be,
  utf8,
} from '@quantum-ip/base'
import { sha256 } from '@quantum-ip/crypto'
import { Members } from './lib/members.ts'
import { trustLimits } from './payload-types.ts'

/** The kinds of revocation, in the order of their numbers on the wire, from 1 on. */
export const revocationKinds = ['key', 'identity', 'build', 'token', 'range'] as const

/** What a revocation is aimed at. */
export type RevocationKind = (typeof revocationKinds)[number]

/**
 * One revocation. Records are numbered without gaps, chained ({@link chainRevocation}) and confirmed by the signed state.
 *
 * | kind | `value` | further members |
 * |---|---|---|
 * | `key` | RFC 7638 thumbprint | `log` and `from`: what the key signed below index `from` of that log still counts (builder and log keys) |
 * | `identity` | service ID | `before`: only tokens with a smaller `iat`; absent: all, for ever |
 * | `build` | SHA-256 in lowercase hex | `before`, as above |
 * | `token` | SHA-256 of the claims in lowercase hex; or, with `log`, the index in decimal | `log` |
 * | `range` | first index after the range, in decimal | `log`, and `from`: the first index |
 *
 * A member that its kind does not take is refused: it would restrict less than its author meant.
 */
export interface RevocationRecord {
  /** 1 for the first record of a trust domain, then one more each. */
  readonly epoch: number
  /** Seconds since 1970. */
  readonly time: number
  readonly kind: RevocationKind
  readonly value: string
  /** Origin of a log. */
  readonly log?: string
  /** An index in `log`. */
  readonly from?: number
  /** Seconds since 1970, compared with a token's `iat`. */
  readonly before?: number
  /** For people; not secret, not empty. */
  readonly reason: string
  /** Seconds since 1970: no longer in force from then on. Not for keys. */
  readonly expires?: number
}

/** r_0, the value of `revocations` while there is no record: 32 zero bytes. */
export const revocationChainStart: Uint8Array = new Uint8Array(32)

/**
 * The JSON of a record, members in one order. The inverse of {@link parseRevocation}.
 *
 * @throws {TrustError} as {@link parseRevocation}: what would be refused is not built.
 */
export function buildRevocation(record: RevocationRecord): JsonObject {
  const { epoch, time, kind, value, log, from, before, reason, expires } = record
  const json: JsonObject = {
    epoch,
    time,
    kind,
    value,
    ...(log !== undefined && { log }),
    ...(from !== undefined && { from }),
    ...(before !== undefined && { before }),
    reason,
    ...(expires !== undefined && { expires }),
  }
  parseRevocation(json)
  return json
}

/**
 * Reads a record. Unknown members are ignored: they are not in the chain. An unknown kind is refused, since nobody here could
 * enforce it.
 *
 * @throws {TrustError} `QIP_TRUST_DOCUMENT_MALFORMED` · `QIP_TRUST_LIMIT_EXCEEDED`
 */
export function parseRevocation(json: JsonObject): RevocationRecord {
  const members = new Members(json, 'revocation')
  const kind = members.text('kind', trustLimits.nameCharsMax)
  if (!isKind(kind)) throw members.malformed('kind', `is none of \`${revocationKinds.join('`, `')}\``)
  const log = members.optionalText('log', trustLimits.nameCharsMax)
  const from = members.optionalInteger('from')
  const before = members.optionalInteger('before')
  const expires = members.optionalInteger('expires')
  const value = members.text('value', trustLimits.valueCharsMax)
  checkMembers(members, kind)
  // Nothing leads out of `compromised`: a revoked key that comes back would bring back whoever stole it.
  if (kind === 'key' && expires !== undefined) throw members.malformed('expires', 'is not for keys')
  checkValue(members, { kind, value, log, from })
  return {
    epoch: members.integer('epoch', { min: 1 }),
    time: members.integer('time'),
    kind,
    value,
    ...(log !== undefined && { log }),
    ...(from !== undefined && { from }),
    ...(before !== undefined && { before }),
    reason: members.text('reason', trustLimits.reasonCharsMax),
    ...(expires !== undefined && { expires }),
  }
}

const optionalMembers: Readonly<Record<RevocationKind, readonly string[]>> = {
  key: ['log', 'from'],
  identity: ['before'],
  build: ['before'],
  token: ['log'],
  range: ['log', 'from'],
}

function checkMembers(members: Members, kind: RevocationKind): void {
  const taken = optionalMembers[kind]
  for (const name of ['log', 'from', 'before']) {
    if (members.has(name) && !taken.includes(name)) {
      throw members.malformed(name, `means nothing for kind \`${kind}\``)
    }
  }
  const hasBoth = members.has('log') && members.has('from')
  if (kind === 'range' && !hasBoth) throw members.malformed('', 'a range needs `log` and `from`')
  if (kind === 'key' && members.has('log') !== members.has('from')) {
    throw members.malformed('', '`log` and `from` stand together')
  }
}

interface Target {
  readonly kind: RevocationKind
  readonly value: string
  readonly log: string | undefined
  readonly from: number | undefined
}

function checkValue(members: Members, { kind, value, log, from }: Target): void {
  switch (kind) {
    case 'key':
      if (!/^[A-Za-z0-9_-]{43}$/.test(value)) throw members.malformed('value', 'is not a thumbprint')
      return
    case 'identity':
      if (!isServiceId(value)) throw members.malformed('value', 'is not a service ID')
      return
    case 'build':
      if (!isHash(value)) throw members.malformed('value', 'is not a SHA-256 in lowercase hex')
      return
    case 'token':
      if (log === undefined ? isHash(value) : isIndex(value)) return
      throw members.malformed('value', 'is neither a SHA-256 in lowercase hex nor, with `log`, an index')
    case 'range':
      if (isIndex(value) && Number(value) > (from ?? 0)) return
      throw members.malformed('value', 'is not an index above `from`')
  }
}

function isHash(value: string): boolean {
  return /^[0-9a-f]{64}$/.test(value)
}

function isIndex(value: string): boolean {
  return /^(?:0|[1-9][0-9]{0,15})$/.test(value) && Number(value) <= limits.logIndexEnd
}

function isKind(kind: string): kind is RevocationKind {
  return (revocationKinds as readonly string[]).includes(kind)
}

/**
 * The bytes of a record that the chain takes in; lp(x) = u32be length ‖ x, text in UTF-8, kinds numbered from 1 on in the order of
 * {@link revocationKinds}. `present` has bit 0 for `log`, 1 for `from`, 2 for `before`, 3 for `expires`:
 *
 * ```
 * record = 01 (version) ‖ 01 (revocation) ‖ u64be epoch ‖ u64be time ‖ u8 kind ‖ lp(value) ‖ u8 present
 *          ‖ [lp(log)] ‖ [u64be from] ‖ [u64be before] ‖ [u64be expires] ‖ lp(reason)
 * ```
 */
export function encodeRevocation(record: RevocationRecord): Uint8Array {
  const { epoch, time, kind, value, log, from, before, reason, expires } = record
  const parts = [
    Uint8Array.of(1, 1),
    u64be(epoch),
    u64be(time),
    Uint8Array.of(revocationKinds.indexOf(kind) + 1),
    lengthPrefixed(utf8(value)),
  ]
  const present = Uint8Array.of(0)
  parts.push(present)
  if (log !== undefined) parts.push(lengthPrefixed(utf8(log)))
  for (const number of [from, before, expires]) if (number !== undefined) parts.push(u64be(number))
  for (const [bit, member] of [log, from, before, expires].entries()) {
    if (member !== undefined) present[0] = (present[0] ?? 0) | (1 << bit)
  }
  parts.push(lengthPrefixed(utf8(reason)))
  return concatBytes(...parts)
}

/** r_n: SHA-256(r_{n−1} ‖ {@link encodeRevocation}(record)). */
export function chainRevocation(previous: Uint8Array, record: RevocationRecord): Uint8Array {
  return sha256(concatBytes(previous, encodeRevocation(record)))
}
