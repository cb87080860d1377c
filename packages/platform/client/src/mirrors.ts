import type { AuthorityRequest, Requester } from './request.ts'

/** Where trust documents are had: from the authority, or from a mirror of it. */
export interface TrustPlace {
  /** As people know it. */
  readonly url: string
  /** For what everybody may read. */
  readonly open: Requester
  /** For what members may read. */
  readonly member: Requester
}

/**
 * A mirror: it serves what an authority signed, and is asked while the authority is away. It may withhold and replay; what it forges does
 * not verify.
 */
export interface Mirror {
  readonly url: string
  /** With the bearer token that the mirror wants from its readers, if it wants one. */
  readonly requester: Requester
}

/** A mirror gets so long for an answer: one that is slow must not keep anybody from asking the next, or the authority again. */
const mirrorTimeoutMs = 5_000
/** The history of an hour may be large. */
const historyTimeoutMs = 20_000

/** A mirror as a place of trust documents: one attempt for each request, in little time. */
export function mirrorPlace({ url, requester }: Mirror): TrustPlace {
  const hurried: Requester = {
    request: (request) => requester.request(hurry(request)),
    stream: (request) => requester.stream(hurry(request)),
  }
  return { url, open: hurried, member: hurried }
}

function hurry(request: AuthorityRequest): AuthorityRequest {
  const limitMs = request.target.startsWith('/v1/history') ? historyTimeoutMs : mirrorTimeoutMs
  return { ...request, idempotent: false, timeoutMs: Math.min(request.timeoutMs ?? limitMs, limitMs) }
}

/** An authority that has mirrors: it gets one attempt, and as long as a mirror, before they are asked. */
export function hurriedPlace(place: TrustPlace): TrustPlace {
  const of = (requester: Requester): Requester => mirrorPlace({ url: place.url, requester }).open
  return { url: place.url, open: of(place.open), member: of(place.member) }
}
