/** The HTTP fields of Quantum IP, as they are written. Field names match in any case. */
export const headerNames = {
  /** Request: one token. */
  token: 'Quantum-IP',
  /** Request, optional: the signed head of the token, stapled. */
  head: 'Quantum-IP-Head',
  /** To the upstream: what the consuming point found. */
  status: 'Quantum-IP-Status',
} as const

/** The same as gRPC metadata keys, which are lower case. None ends in `-bin`: the values are ASCII. */
export const metadataNames = {
  token: 'quantum-ip',
  head: 'quantum-ip-head',
  status: 'quantum-ip-status',
} as const

/** Which of the fields of Quantum IP a name stands for. */
export type FieldKind = keyof typeof headerNames

/**
 * Which field of Quantum IP `name` could be taken for by anybody behind us, or `undefined`.
 *
 * In every spelling: any case, and any character that is neither letter nor digit for the hyphen, since CGI, WSGI, PHP and
 * others make `Quantum_IP_Status` and `Quantum-IP-Status` one variable. Used to *strip* fields of requests and trailers, so
 * it rather matches too much; a token is only ever *taken* from the exact name (see `tokenFields`).
 *
 * Asked for each field of each request: it mostly ends at the length.
 */
export function fieldKind(name: string): FieldKind | undefined {
  const { length } = name
  if (length === 10) return isSpelling(name, metadataNames.token) ? 'token' : undefined
  if (length === 15) return isSpelling(name, metadataNames.head) ? 'head' : undefined
  if (length === 17) return isSpelling(name, metadataNames.status) ? 'status' : undefined
  return undefined
}

function isSpelling(name: string, lower: string): boolean {
  for (let i = 0; i < lower.length; i++) {
    const expected = lower.charCodeAt(i)
    const code = name.charCodeAt(i)
    if (expected === hyphen ? isLetterOrDigit(code) : (code | 0x20) !== expected) return false
  }
  return true
}

const hyphen = 0x2d

function isLetterOrDigit(code: number): boolean {
  return (code >= 0x30 && code <= 0x39) || ((code | 0x20) >= 0x61 && (code | 0x20) <= 0x7a)
}
