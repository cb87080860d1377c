/** What `WWW-Authenticate: Quantum-IP …` of a 401 says. */
export interface Challenge {
  /** Why: a word of lower-case letters, digits and `_`. */
  readonly error: string
  /** `required`: send the request again with the token's head stapled. */
  readonly head?: 'required' | undefined
}

const errorForm = /^[a-z][a-z0-9_]{0,63}$/
const fieldCharsMax = 4_096

/**
 * The value of `WWW-Authenticate`: `Quantum-IP error="…"`, with `head="required"` where a staple is asked for (RFC 9110, section 11.6.1).
 *
 * @throws {TypeError} for an `error` that is no such word.
 *
 * @example
 * formatChallenge({ error: 'token_expired' }) // => 'Quantum-IP error="token_expired"'
 */
export function formatChallenge({ error, head }: Challenge): string {
  if (!errorForm.test(error)) throw new TypeError('not an error word')
  return `Quantum-IP error="${error}"${head === undefined ? '' : ', head="required"'}`
}

// auth-param = token BWS "=" BWS ( token / quoted-string ), or a scheme, between commas and spaces. Linear: no two
// alternatives begin alike, and each step consumes.
const partForm =
  /[\s,]*(?:([!#$%&'*+.^_`|~0-9A-Za-z-]+)[ \t]*(?:=[ \t]*(?:"((?:[^"\\]|\\.)*)"|([!#$%&'*+.^_`|~0-9A-Za-z-]*)=*))?)/y

/**
 * Our challenge in a `WWW-Authenticate` field, which may hold those of other schemes as well; `undefined` where there is none.
 * For clients: never throws, since a server that writes nonsense is answered like one that writes nothing.
 */
export function readChallenge(field: string): Challenge | undefined {
  if (field.length > fieldCharsMax) return undefined
  let found: Map<string, string> | undefined
  partForm.lastIndex = 0
  for (let part = partForm.exec(field); part !== null; part = partForm.exec(field)) {
    const [whole, name = '', quoted, bare] = part
    if (!whole.includes('=')) {
      if (found !== undefined) break
      if (name.toLowerCase() === 'quantum-ip') found = new Map()
    } else if (found !== undefined) {
      found.set(name.toLowerCase(), quoted ?? bare ?? '')
    }
  }
  const error = found?.get('error')
  if (error === undefined || !errorForm.test(error)) return undefined
  return found?.get('head') === 'required' ? { error, head: 'required' } : { error }
}
