import type { JwtToken } from './jwt-token.ts'
import type { MerkleToken } from './merkle-token.ts'
import { type JwtReadOptions, readJwtToken } from './read-jwt-token.ts'
import { readMerkleToken } from './read-merkle-token.ts'
import { readReferenceToken, type ReferenceToken } from './reference-token.ts'
import { type TokenForm, TokenRefusal } from './token-refusal.ts'

/** A token of any form. */
export type Token = MerkleToken | ReferenceToken | JwtToken

/** Reads a token of any form: the token, or why it is none. Never throws, proves nothing. */
export function readToken(text: string, options: JwtReadOptions = {}): Token | TokenRefusal {
  if (text.startsWith('qip1.')) return readMerkleToken(text)
  if (text.startsWith('qipr1.')) return readReferenceToken(text)
  return readJwtToken(text, options)
}

/** What a text is. */
export type TokenClass = TokenForm | 'truncated' | 'malformed'

/**
 * Classifies a text: one of the three forms, the beginning of one, or nothing.
 *
 * *Truncated* is a grammar, so that it says "a proxy on the way cuts fields" and not "somebody sent rubbish":
 *
 * - `qip1.` and so on, at least 16 characters in all, where the decoder meets the end of the input inside an item, and all
 *   before it is well-formed, deterministic and within limits. Of the item in which it ends, the head counts as *before*.
 *   Where the characters end inside a byte, its first bits are not looked at.
 * - A whole JWS header of ours with a `kid` that `options.isKnownKid` knows, and fewer characters than its token needs: what
 *   follows is base64url, and either the payload is not ended by a dot, or it is a set of claims and the
 *   signature shorter than those of the header's `alg`.
 *
 * Everything else is malformed.
 */
export function classifyToken(text: string, options: JwtReadOptions = {}): TokenClass {
  const token = readToken(text, options)
  if (token instanceof TokenRefusal) return token.truncated ? 'truncated' : 'malformed'
  return token.form === 'compact' || token.form === 'standalone' ? 'merkle' : token.form
}
