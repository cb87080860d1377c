/** What the last element of an `x-forwarded-client-cert` field says. */
export interface XfccElement {
  /** SHA-256 of the certificate, 64 hexadecimal digits. */
  readonly hash: string | undefined
  /** The certificate in PEM, URL-encoded. */
  readonly cert: string | undefined
  /** URIs of the subject alternative name. */
  readonly uris: readonly string[]
}

/*
 * element *("," element);  element = pair *(";" pair);  pair = key "=" value
 *
 * A value with one of `,` `;` `=` is in quotes, and a quote within it has a backslash before it. Each proxy appends an element for who
 * connected to it; so the last one is what the proxy that we know says, and all before is what it was told.
 */

const pairForm = /([A-Za-z]{1,16})=(?:"((?:[^"\\]|\\.)*)"|([^",;=]*))(;|,|$)/y
const pairsMax = 256

/** The last element, which the proxy at the other end of the connection wrote; `undefined` for any other text. Never throws. */
export function readLastXfccElement(text: string): XfccElement | undefined {
  let pairs: [string, string][] = []
  pairForm.lastIndex = 0
  for (let count = 0; count < pairsMax; count++) {
    const [, key, quoted, plain = '', end] = pairForm.exec(text) ?? []
    if (key === undefined) return undefined
    pairs.push([key.toLowerCase(), quoted === undefined ? plain : quoted.replaceAll(/\\(.)/g, '$1')])
    if (end === '') return elementOf(pairs)
    if (end === ',') pairs = []
  }
  return undefined
}

// `By`, `Subject`, `DNS` and `Chain` say nothing that is needed here. `URI` may come several times, the others once.
function elementOf(pairs: readonly (readonly [string, string])[]): XfccElement | undefined {
  const all = (name: string): string[] => pairs.filter(([key]) => key === name).map(([, value]) => value)
  const [hashes, certs, uris] = [all('hash'), all('cert'), all('uri')]
  if (hashes.length > 1 || certs.length > 1) return undefined
  return { hash: hashes[0], cert: certs[0], uris }
}
