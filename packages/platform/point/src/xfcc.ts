/** What an `x-forwarded-client-cert` field of one element says. */
export interface XfccElement {
  /** SHA-256 of the certificate, 64 hexadecimal digits. */
  readonly hash: string | undefined
  /** The certificate in PEM, URL-encoded. */
  readonly cert: string | undefined
}

/*
 * element *("," element);  element = pair *(";" pair);  pair = key "=" value
 *
 * A value with one of `,` `;` `=` is to be in quotes, and a quote within it has a backslash before it. But Envoy writes names of the
 * certificate (`URI`, `DNS`) as they are: a comma in a name that some authority signed begins an element of its bearer's choice, and a
 * semicolon a pair. So one element counts and two say nothing, nothing counts that is there twice, and names come from `Cert` alone.
 */

const pairForm = /([A-Za-z]{1,16})=(?:"((?:[^"\\]|\\.)*)"|([^",;]*))(;|$)/y
const pairsMax = 256

/** The one element of the field; `undefined` for several, and for any other text. Never throws. */
export function readXfccElement(text: string): XfccElement | undefined {
  const pairs: [string, string][] = []
  pairForm.lastIndex = 0
  for (let count = 0; count < pairsMax; count++) {
    const [, key, quoted, plain = '', end] = pairForm.exec(text) ?? []
    if (key === undefined) return undefined
    pairs.push([key.toLowerCase(), quoted === undefined ? plain : quoted.replaceAll(/\\(.)/g, '$1')])
    if (end === '') return elementOf(pairs)
  }
  return undefined
}

// `By`, `Subject`, `URI`, `DNS` and `Chain` say nothing that is needed here.
function elementOf(pairs: readonly (readonly [string, string])[]): XfccElement | undefined {
  const all = (name: string): string[] => pairs.filter(([key]) => key === name).map(([, value]) => value)
  const [hashes, certs] = [all('hash'), all('cert')]
  if (hashes.length > 1 || certs.length > 1) return undefined
  return { hash: hashes[0], cert: certs[0] }
}
