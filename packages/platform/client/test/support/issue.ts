import { type Json, parseBase64url } from '@quantum-ip/base'
import type { RecordedDomain } from './domain.ts'

/** The body of `POST /v1/tokens`. */
export interface TokenBody {
  readonly audience: string | string[]
  readonly count?: number
  readonly ttl?: number
  readonly oneTime?: boolean
  readonly form?: 'compact' | 'standalone'
  readonly patient?: boolean
  readonly requestBinding?: string
}

/** Issues real tokens into the domain's log, and answers like the authority: the heads each once. */
export async function issueTokens(domain: RecordedDomain, body: TokenBody, sid: string): Promise<Json> {
  const { audience, count = 1, oneTime = false, ttl = oneTime ? 60 : 300, form = 'compact' } = body
  const exp = domain.nowS() + ttl
  const claims = {
    sub: sid,
    aud: typeof audience === 'string' ? [audience] : audience,
    exp,
    ...(oneTime && { use: 1 as const }),
    ...(body.requestBinding !== undefined && { req: parseBase64url(body.requestBinding) }),
  }
  const tokens = await domain.issue(
    Array.from({ length: count }, () => claims),
    { form, publish: false },
  )
  const heads = [...new Set(tokens.map(({ staple }) => staple))]
  return { tokens: tokens.map(({ text }) => text), heads, expires: exp }
}
