/** Where a request goes, as its first line and its host say. */
export interface RequestTarget {
  /** The path that routes and policies see: unreserved characters decoded, other escapes in upper case (RFC 3986, section 6.2.2). */
  readonly path: string
  /** From `?` on, or empty. As it arrived. */
  readonly query: string
  /** What the upstream gets: path and query byte for byte as they arrived. */
  readonly forward: string
  /** The authority of a target in absolute form (RFC 9112, section 3.2.2). */
  readonly authority: string | undefined
}

/** A target that is refused: the problem, and a detail out of a closed set. */
export interface TargetRefusal {
  readonly refused: 'target_malformed' | 'path_ambiguous'
  readonly detail: string
}

/** Status and title of what {@link readTarget} refuses. */
export const targetProblem = {
  target_malformed: { status: 400, title: 'the request target is not a path' },
  path_ambiguous: { status: 400, title: 'the path has more than one reading' },
} as const satisfies Record<TargetRefusal['refused'], { status: number; title: string }>

/** A host as requests name it. */
export interface Authority {
  /** Lower case, without port. */
  readonly host: string
  readonly port: number | undefined
}

const absoluteForm = /^https?:\/\/([^/?#]*)(.*)$/i
const authorityForm = /^([A-Za-z0-9._-]{1,255}|\[[0-9A-Fa-f:.]{2,45}\])(?::([0-9]{1,5}))?$/

/** The parts of `host` or `host:port`, or `undefined` where it is not one: no user, no escapes, no second reading. */
export function readAuthority(text: string): Authority | undefined {
  const found = authorityForm.exec(text)
  if (found === null) return undefined
  const [, host, digits] = found
  const port = digits === undefined ? undefined : Number(digits)
  if (host === undefined || (port !== undefined && port > 65_535)) return undefined
  return { host: host.toLowerCase(), port }
}

/**
 * Reads a request target in origin or absolute form.
 *
 * What has more than one reading is refused, because a policy that read it one way would be passed
 * by an upstream that reads it the other way; see {@link ambiguity}. With `exact` such a path is
 * kept as it is, and the guard sees exactly what the upstream gets.
 */
export function readTarget(target: string, exact: boolean): RequestTarget | TargetRefusal {
  let authority: string | undefined
  let forward = target
  if (target.charCodeAt(0) !== slash) {
    const absolute = absoluteForm.exec(target)
    if (absolute === null) return { refused: 'target_malformed', detail: 'not in origin or absolute form' }
    authority = absolute[1]
    const rest = absolute[2] ?? ''
    forward = rest.startsWith('/') ? rest : `/${rest}`
  }
  if (forward.includes('#')) return { refused: 'target_malformed', detail: 'a target has no fragment' }
  const mark = forward.indexOf('?')
  const path = mark < 0 ? forward : forward.slice(0, mark)
  const query = mark < 0 ? '' : forward.slice(mark)
  if (exact) return { path, query, forward, authority }
  const detail = ambiguity(path)
  if (detail !== undefined) return { refused: 'path_ambiguous', detail }
  return { path: normalizePath(path), query, forward, authority }
}

const slash = 0x2f

// Most paths have none of these and are done after one look.
const suspicious = /[%\\]|\/[./]|[^!-~]/

/**
 * Why a path has more than one reading, or `undefined` if it has one: dot segments, empty segments,
 * encoded slashes and backslashes, control characters, double encodings that hide one of these,
 * malformed escapes, and escapes that only a careless UTF-8 decoder accepts.
 */
export function ambiguity(path: string): string | undefined {
  if (!suspicious.test(path)) return undefined
  if (/[^!-~]/.test(path)) return 'a byte that is not printable ASCII'
  if (path.includes('\\')) return 'a backslash'
  const segments = path.split('/')
  for (let i = 1; i < segments.length; i++) {
    const segment = segments[i] ?? ''
    if (segment === '' && i < segments.length - 1) return 'an empty segment'
    const reason = segmentAmbiguity(segment)
    if (reason !== undefined) return reason
  }
  return undefined
}

function segmentAmbiguity(segment: string): string | undefined {
  const decoded = percentDecode(segment)
  if (decoded === undefined) return 'a malformed escape'
  const reason = hidden(decoded)
  if (reason !== undefined) return reason
  if (utf8Overlong.test(decoded)) return 'an escape that is not UTF-8'
  // A second decoder behind us would see what the first one made: look as deep as anybody nests.
  let inner = decoded
  for (let depth = 0; depth < 4 && inner.includes('%'); depth++) {
    const next = percentDecodeLoose(inner)
    if (next === inner) break
    if (hidden(next) !== undefined || utf8Overlong.test(next)) return 'a double encoding'
    inner = next
  }
  return undefined
}

// oxlint-disable-next-line no-control-regex -- control characters are what it looks for
const control = /[\x00-\x1f\x7f]/
const utf8Overlong = /[\xc0\xc1\xf5-\xff]|\xe0[\x80-\x9f]|\xf0[\x80-\x8f]/

function hidden(text: string): string | undefined {
  if (text.includes('/') || text.includes('\\')) return 'an encoded slash or backslash'
  if (control.test(text)) return 'an encoded control character'
  // `..;x` is a dot segment to servers that cut path parameters off.
  const semicolon = text.indexOf(';')
  const name = semicolon < 0 ? text : text.slice(0, semicolon)
  return name === '.' || name === '..' ? 'a dot segment' : undefined
}

const escapes = /%([0-9A-Fa-f]{2})/g

function percentDecode(text: string): string | undefined {
  if (!text.includes('%')) return text
  return /%(?![0-9A-Fa-f]{2})/.test(text) ? undefined : percentDecodeLoose(text)
}

function percentDecodeLoose(text: string): string {
  return text.replace(escapes, (_, digits: string) => String.fromCharCode(Number.parseInt(digits, 16)))
}

function normalizePath(path: string): string {
  if (!path.includes('%')) return path
  return path.replace(escapes, (escape, digits: string) => {
    const character = String.fromCharCode(Number.parseInt(digits, 16))
    return /[A-Za-z0-9._~-]/.test(character) ? character : escape.toUpperCase()
  })
}
