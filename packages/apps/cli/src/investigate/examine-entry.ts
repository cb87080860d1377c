import { base64, hex, isQipError, type JsonObject, parseBase64, parseJson } from '@quantum-ip/base'
import { leafHash, verifyInclusion } from '@quantum-ip/log'
import { parseTokenEntry } from '@quantum-ip/token'
import type { TrustStore } from '@quantum-ip/trust'
import { isObject } from '../lib/json.ts'
import { numberAt, textAt } from './facts.ts'

/** An entry of a token log that the signed state of the case proves. */
export interface ProvenToken {
  readonly part: string
  readonly origin: string
  readonly index: number
  readonly digest: string
  readonly expiresMs: number
  /** The size of the tree in which it was proven. */
  readonly size: number
}

/** An entry that is not in the log where it was said to be. */
export interface FailingToken {
  readonly part: string
  readonly origin: string
  readonly index: number
  readonly reason: string
}

/** The text of a part of kind `entry`: an entry of a log, and its inclusion proof for the tree that the signed state lists. */
export function formatEntry(place: {
  readonly origin: string
  readonly index: number
  readonly size: number
  readonly entry: Uint8Array
  readonly proof: readonly Uint8Array[]
}): string {
  const { origin, index, size, entry, proof } = place
  const json: JsonObject = {
    origin,
    index,
    size,
    entry: base64(entry),
    proof: proof.map((hash) => base64(hash)),
  }
  return JSON.stringify(json)
}

/** Checks that an entry is in its log: against the tree that the signed state lists, which binds the log's whole content. */
export function examineEntry(part: string, text: string, store: TrustStore): ProvenToken | FailingToken {
  const json = parseJson(text)
  if (!isObject(json)) return { part, origin: '', index: 0, reason: 'it is no object' }
  const [origin = '', index = -1, size = -1] = [
    textAt(json, 'origin'),
    numberAt(json, 'index'),
    numberAt(json, 'size'),
  ]
  const head = store.logHead(origin)
  if (head === undefined || head.size !== size)
    return { part, origin, index, reason: 'the signed state lists no such tree' }
  try {
    const entry = parseBase64(textAt(json, 'entry') ?? '')
    const hashes = Array.isArray(json['proof']) ? json['proof'] : []
    const proof = hashes.map((hash) => parseBase64(typeof hash === 'string' ? hash : ''))
    verifyInclusion({ index, size, leafHash: leafHash(entry), proof, root: head.hash })
    const token = parseTokenEntry(entry)
    if (token === undefined) return { part, origin, index, reason: 'the log has its null entry there' }
    return { part, origin, index, size, digest: hex(token.digest), expiresMs: token.exp * 1_000 }
  } catch (error) {
    if (!isQipError(error)) throw error
    return { part, origin, index, reason: error.message }
  }
}
