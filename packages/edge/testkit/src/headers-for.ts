import { formatMerkleToken, metadataNames, parseMerkleToken, tracestateHint } from '@quantum-ip/token'
import type { Reason } from '@quantum-ip/verifier'
import type { Clock } from '@quantum-ip/base'
import type { TestAuthority } from './test-authority.ts'
import type { TestTokenOrder } from './token-claims.ts'

/** Verdicts that {@link TestAuthority.headers} makes requests for. `trust_stale` is a matter of the clock, and not of a request. */
export type TestReason = Extract<
  Reason,
  | 'ok'
  | 'token_absent'
  | 'token_stripped'
  | 'token_truncated'
  | 'token_malformed'
  | 'key_unknown'
  | 'signature_invalid'
  | 'head_unavailable'
  | 'token_expired'
  | 'token_not_yet_valid'
  | 'audience_mismatch'
  | 'binding_mismatch'
  | 'token_revoked'
  | 'identity_revoked'
  | 'build_revoked'
>

type Kit = TestAuthority<Clock>
type Arrange = (kit: Kit, order: TestTokenOrder) => Promise<string | Record<string, string>>

const someBuild = '5c'.repeat(32)

const arrangements: { readonly [reason in TestReason]: Arrange } = {
  ok: (kit, order) => kit.token(order),
  token_absent: () => Promise.resolve({}),
  token_stripped: (kit, { audience = kit.service('service') }) => {
    const [first = ''] = typeof audience === 'string' ? [audience] : audience
    return Promise.resolve({ tracestate: `qip=${tracestateHint(first)}` })
  },
  token_truncated: (kit, order) => kit.truncated(order),
  token_malformed: () => Promise.resolve('no token'),
  async key_unknown(kit, order) {
    const token = parseMerkleToken(await kit.token(order))
    return formatMerkleToken({ ...token, keyId: (token.keyId ^ 1) >>> 0 })
  },
  signature_invalid: (kit, order) => kit.forged(order),
  head_unavailable: async (kit, order) => (await kit.unlisted(order)).token,
  token_expired: (kit, order) => kit.expired(order),
  token_not_yet_valid: (kit, order) => kit.notYetValid(order),
  audience_mismatch: (kit, order) => kit.token({ ...order, audience: kit.service('somebody-else') }),
  binding_mismatch: (kit, order) =>
    kit.token({ ...order, confirmation: { x5tS256: new Uint8Array(32).fill(7) } }),
  async token_revoked(kit, order) {
    const token = await kit.token(order)
    await kit.revokeToken(token)
    return token
  },
  async identity_revoked(kit, order) {
    const token = await kit.token(order)
    await kit.revoke('identity', order.identity ?? kit.service('caller'))
    return token
  },
  async build_revoked(kit, order) {
    const { build = someBuild } = order
    const token = await kit.token({ ...order, build })
    const text = typeof build === 'string' ? build : Buffer.from(build).toString('hex')
    await kit.revoke('build', text)
    return token
  },
}

/** The fields of a request that gets this verdict, as {@link TestAuthority.headers} returns them. */
export async function headersFor(
  kit: Kit,
  reason: TestReason,
  order: TestTokenOrder,
): Promise<Record<string, string>> {
  const made = await arrangements[reason](kit, order)
  return typeof made === 'string' ? { [metadataNames.token]: made } : made
}
