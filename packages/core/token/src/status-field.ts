import { base64, parseBase64, type ServiceId } from '@quantum-ip/base'
import { formatDictionary, type Item, parseDictionary } from './lib/structured-field.ts'
import { TokenError } from './token-errors.ts'

/** What the consuming point tells the upstream in `Quantum-IP-Status`. */
export interface StatusField {
  readonly status: 'verified' | 'missing' | 'invalid' | 'unverifiable'
  /** One of the closed table of reasons: lower-case letters, digits and `_`. */
  readonly reason: string
  readonly action: 'allow' | 'reject' | 'quarantine'
  readonly mode: 'monitor' | 'canary' | 'enforce'
  /** Whether a deep check follows. */
  readonly deferred?: boolean | undefined
  /** The caller, where it is authenticated: a service ID. */
  readonly sub?: ServiceId | undefined
  /** The caller's build, 32 bytes, where it is authenticated. */
  readonly bld?: Uint8Array | undefined
  /** How the build was established: see `BindingEvidence`. */
  readonly bev?: 0 | 1 | 2 | 3 | undefined
  /** The decision ID. */
  readonly id?: string | undefined
}

const words = {
  status: new Set(['verified', 'missing', 'invalid', 'unverifiable']),
  action: new Set(['allow', 'reject', 'quarantine']),
  mode: new Set(['monitor', 'canary', 'enforce']),
} as const
const reasonForm = /^[a-z][a-z0-9_]{0,63}$/
const fieldCharsMax = 2_048

/**
 * The value of `Quantum-IP-Status`: a dictionary of RFC 9651, section 3.2.
 *
 * @throws {TypeError} for what such a field cannot say.
 *
 * @example
 * formatStatus({ status: 'missing', reason: 'token_absent', action: 'allow', mode: 'monitor' })
 * // => 'status=missing, reason=token_absent, action=allow, mode=monitor'
 */
export function formatStatus(status: StatusField): string {
  if (!isStatus(status)) throw new TypeError('not a status')
  const { deferred, sub, bld, bev, id } = status
  return formatDictionary([
    ['status', { token: status.status }],
    ['reason', { token: status.reason }],
    ['action', { token: status.action }],
    ['mode', { token: status.mode }],
    ...optional('deferred', deferred === true ? true : undefined),
    ...optional('sub', sub),
    ...optional('bld', bld && { bytes: base64(bld) }),
    ...optional('bev', bev),
    ...optional('id', id),
  ])
}

function optional(name: string, item: Item | undefined): readonly [string, Item][] {
  return item === undefined ? [] : [[name, item]]
}

function isStatus({ status, reason, action, mode, bld, bev }: StatusField): boolean {
  if (!words.status.has(status) || !words.action.has(action) || !words.mode.has(mode)) return false
  if (!reasonForm.test(reason) || (bld !== undefined && bld.length !== 32)) return false
  return bev === undefined || bev === 0 || bev === 1 || bev === 2 || bev === 3
}

/**
 * Parses the value of `Quantum-IP-Status`. Unknown members and parameters are ignored, as RFC 9651, section 2, wants it.
 *
 * **To be trusted only over loopback, a Unix socket or mutually authenticated TLS from a named point.**
 *
 * @throws {TokenError} `QIP_TOKEN_STATUS_MALFORMED`: to be treated as if there were no field.
 */
export function parseStatus(text: string): StatusField {
  if (text.length > fieldCharsMax) throw malformed(`longer than ${fieldCharsMax} characters`)
  const items = parseDictionary(text)
  if (items === undefined) throw malformed('it is no dictionary of RFC 9651')
  const bld = items.get('bld')
  const parsed = {
    status: token(items, 'status'),
    reason: token(items, 'reason'),
    action: token(items, 'action'),
    mode: token(items, 'mode'),
    ...(items.get('deferred') === true && { deferred: true }),
    ...(typeof items.get('sub') === 'string' && { sub: items.get('sub') }),
    ...(typeof bld === 'object' && 'bytes' in bld && { bld: digest(bld.bytes) }),
    ...(typeof items.get('bev') === 'number' && { bev: items.get('bev') }),
    ...(typeof items.get('id') === 'string' && { id: items.get('id') }),
  } as StatusField
  if (!isStatus(parsed)) throw malformed('a member has a value that is not in its table')
  return parsed
}

function token(items: ReadonlyMap<string, Item>, name: string): string {
  const item = items.get(name)
  if (typeof item !== 'object' || !('token' in item)) throw malformed(`\`${name}\` is not a token`)
  return item.token
}

function digest(text: string): Uint8Array {
  try {
    return Uint8Array.from(parseBase64(text))
  } catch {
    throw malformed('`bld` is not canonical base64')
  }
}

function malformed(reason: string): TokenError {
  return new TokenError('QIP_TOKEN_STATUS_MALFORMED', { reason })
}
