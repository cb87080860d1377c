// Whatever begins like a secret of ours or of HTTP. Digests, key thumbprints and IDs are public and stay.
const secrets: readonly RegExp[] = [
  /\bqip[a-z]*1\.[A-Za-z0-9_.-]+/g,
  /\beyJ[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*(?:\.[A-Za-z0-9_-]*)?/g,
  /\b(?:QIP-Session|Bearer|Basic)\s+\S.*/gi,
]

const charsMax = 512

/**
 * Text that came from elsewhere, made fit for an error: one line, not long, and without anything that begins like a token, a join
 * token, a session proof or a bearer credential, should somebody have echoed one.
 */
export function redact(text: string): string {
  let shown = text.replaceAll(/[\p{Cc}\p{Zl}\p{Zp}]+/gu, ' ')
  for (const secret of secrets) shown = shown.replaceAll(secret, '[redacted]')
  return shown.length > charsMax ? `${shown.slice(0, charsMax)}…` : shown
}
