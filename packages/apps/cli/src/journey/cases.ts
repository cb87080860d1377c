import { systemRandom } from '@quantum-ip/base'
import { type IssuedToken, requestTokens, type Session } from '@quantum-ip/client'
import {
  addTracestateHint,
  encodeClaims,
  formatMerkleToken,
  headerNames,
  parseMerkleToken,
} from '@quantum-ip/token'
import { demo } from './demo-config.ts'

/** What one row of the journey expects of the gateway. */
export interface ExpectedDecision {
  readonly reason: string
  readonly action: 'allow' | 'reject' | 'quarantine'
}

/** One case: a request, and what must come of it. */
export interface JourneyCase {
  readonly name: string
  readonly expected: ExpectedDecision
  /** Header fields of the request. */
  readonly fields: () => Promise<Readonly<Record<string, string>>> | Readonly<Record<string, string>>
  /** Sent once before, so that this one is the second use. */
  readonly twice?: boolean
}

/** What the cases are made from. */
export interface CaseParts {
  /** Runs an attested build. */
  readonly checkout: Session
  /** Runs a build that nobody attested. */
  readonly legacy: Session
  /** Issued at the start, and of so short a life that it has ended by now. */
  readonly ended: IssuedToken
  readonly waitForEnd: () => Promise<void>
  readonly revokeBuild: () => Promise<void>
}

const token = headerNames.token
const staple = headerNames.head

function carried(issued: IssuedToken): Readonly<Record<string, string>> {
  return { [token]: issued.token, ...(issued.staple !== undefined && { [staple]: issued.staple }) }
}

async function one(
  session: Session,
  order: { readonly audience?: string; readonly oneTime?: boolean } = {},
): Promise<IssuedToken> {
  const [issued] = await requestTokens(session, {
    audience: order.audience ?? demo.shop,
    ...(order.oneTime === true && { oneTime: true }),
  })
  if (issued === undefined) throw new TypeError('no token')
  return issued
}

/** A real token whose claims were changed: another caller, under the proof of the first one. */
function forge(text: string): string {
  const parsed = parseMerkleToken(text)
  const claimsBytes = encodeClaims({ ...parsed.claims, sub: demo.stock, jti: systemRandom.bytes(16) })
  return formatMerkleToken({ ...parsed, claimsBytes, sigs: undefined })
}

/** The ten cases, in their order. */
export function journeyCases(parts: CaseParts): readonly JourneyCase[] {
  const { checkout, legacy } = parts
  return [
    {
      name: 'good token',
      expected: { reason: 'ok', action: 'allow' },
      fields: async () => carried(await one(checkout)),
    },
    { name: 'no token', expected: { reason: 'token_absent', action: 'reject' }, fields: () => ({}) },
    {
      name: 'stripped on the way',
      expected: { reason: 'token_stripped', action: 'reject' },
      fields: () => ({ tracestate: addTracestateHint('', demo.shop) }),
    },
    {
      name: 'truncated on the way',
      expected: { reason: 'token_truncated', action: 'reject' },
      fields: async () => {
        const { token: text } = await one(checkout)
        return { [token]: text.slice(0, Math.floor(text.length * 0.6)) }
      },
    },
    {
      name: 'forged',
      expected: { reason: 'signature_invalid', action: 'reject' },
      fields: async () => {
        const issued = await one(checkout)
        return { ...carried(issued), [token]: forge(issued.token) }
      },
    },
    {
      name: 'expired',
      expected: { reason: 'token_expired', action: 'reject' },
      fields: async () => {
        await parts.waitForEnd()
        return carried(parts.ended)
      },
    },
    {
      name: 'for another service',
      expected: { reason: 'audience_mismatch', action: 'reject' },
      fields: async () => carried(await one(checkout, { audience: demo.stock })),
    },
    {
      name: 'replayed',
      expected: { reason: 'token_replayed', action: 'reject' },
      fields: async () => carried(await one(checkout, { oneTime: true })),
      twice: true,
    },
    {
      name: 'unattested build',
      expected: { reason: 'ok', action: 'quarantine' },
      fields: async () => carried(await one(legacy)),
    },
    {
      name: 'revoked build',
      expected: { reason: 'build_revoked', action: 'reject' },
      fields: async () => {
        const issued = await one(checkout)
        await parts.revokeBuild()
        return carried(issued)
      },
    },
  ]
}
