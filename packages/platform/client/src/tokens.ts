import { base64url, limits, utf8 } from '@quantum-ip/base'
import {
  type Confirmation,
  type MerkleToken,
  readStaple,
  readToken,
  type StapledHead,
  TokenRefusal,
} from '@quantum-ip/token'
import { IssuedToken } from './issued-token.ts'
import { type AnswerReader, readLargeAnswer, requestObject } from './read-answer.ts'
import type { Session } from './session.ts'
import type { TokenOrder } from './token-order.ts'

const countMax = 1_000
/** Of one reply: a batch has one or two heads, and a thousand tokens may come from several batches. */
const headsMax = 64
/** A thousand tokens of 4,096 characters, 64 heads of 8,000, and what stands around them. */
const answerBytesMax = 6_291_456

/**
 * Orders tokens: `POST /v1/tokens`, sent once. Each token comes with its staple.
 *
 * @throws {ClientError} `QIP_CLIENT_AUTHORITY_REFUSED` · `QIP_CLIENT_AUTHORITY_UNAVAILABLE`, also for an answer with another
 *   number of tokens, or with something that is no token
 */
export async function requestTokens(session: Session, order: TokenOrder): Promise<readonly IssuedToken[]> {
  const { count = 1 } = order
  if (!Number.isInteger(count) || count < 1 || count > countMax) throw new TypeError('count is 1 to 1,000')
  const operation = 'tokens'
  const answer = await session.request({
    operation,
    method: 'POST',
    target: '/v1/tokens',
    body: utf8(JSON.stringify(orderJson(order))),
    answerBytesMax,
  })
  // Strict reading is for what is signed as JSON: here each token is read by its own strict reader.
  const reader = readLargeAnswer(answer, operation)
  const texts = reader.texts('tokens', countMax)
  if (texts.length !== count)
    throw reader.malformed(`\`tokens\` has ${texts.length} members instead of ${count}`)
  return pairWithHeads(reader, texts, reader.integer('expires'))
}

function orderJson(order: TokenOrder) {
  const { audience, count, ttlS, oneTime, form, build, confirmation, requestBinding, patient } = order
  return {
    audience: typeof audience === 'string' ? audience : [...audience],
    ...(count !== undefined && { count }),
    ...(ttlS !== undefined && { ttl: ttlS }),
    ...(oneTime !== undefined && { oneTime }),
    ...(form !== undefined && { form }),
    ...(build !== undefined && { build }),
    ...(confirmation !== undefined && { confirmation: confirmationJson(confirmation) }),
    ...(requestBinding !== undefined && { requestBinding: base64url(requestBinding) }),
    ...(patient !== undefined && { patient }),
  }
}

function confirmationJson(confirmation: Confirmation) {
  return 'jkt' in confirmation
    ? { jkt: base64url(confirmation.jkt) }
    : { x5tS256: base64url(confirmation.x5tS256) }
}

/** The token type of RFC 8693 under which tokens of all forms are exchanged. */
export const tokenType = 'urn:quantum-ip:token-type:token'

/** What {@link exchangeToken} asks for. */
export interface TokenExchange {
  /** The token that this service was called with. **Secret.** */
  readonly subjectToken: string
  /** The service to call with the new one. */
  readonly audience: string
  /** Good for one request. Default false. */
  readonly oneTime?: boolean
  /** Binds it to one request; see `requestBinding` of `@quantum-ip/token`. */
  readonly requestBinding?: Uint8Array
  /** Binds it to a key of this service, by its thumbprint. */
  readonly jkt?: Uint8Array
}

/**
 * Exchanges the token of the caller for one that calls the next service on the caller's behalf (RFC 8693): the chain grows by one, and
 * the new token does not outlive the old one. Sent once.
 *
 * @throws {ClientError} `QIP_CLIENT_AUTHORITY_REFUSED`, above all if this service is not in the audience of the token ·
 *   `QIP_CLIENT_AUTHORITY_UNAVAILABLE`
 */
export async function exchangeToken(session: Session, exchange: TokenExchange): Promise<IssuedToken> {
  const form = new URLSearchParams({
    grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange',
    subject_token: exchange.subjectToken,
    subject_token_type: tokenType,
    audience: exchange.audience,
  })
  if (exchange.oneTime === true) form.set('one_time', 'true')
  if (exchange.requestBinding !== undefined) form.set('request_binding', base64url(exchange.requestBinding))
  if (exchange.jkt !== undefined) form.set('cnf_jkt', base64url(exchange.jkt))
  const sentS = Math.floor(Date.now() / 1_000)
  const reader = await requestObject(session, {
    operation: 'token exchange',
    method: 'POST',
    target: '/oauth/token',
    form: form.toString(),
  })
  if (reader.text('issued_token_type') !== tokenType) throw reader.malformed('`issued_token_type` is another')
  const texts = [reader.text('access_token')]
  const [issued] = pairWithHeads(reader, texts, sentS + reader.integer('expires_in'))
  if (issued === undefined) throw reader.malformed('it has no token')
  return issued
}

/** A head as it came, and where it belongs. */
interface KnownHead extends Pick<StapledHead, 'start' | 'end' | 'sigs'> {
  readonly staple: string
}

function pairWithHeads(
  reader: AnswerReader,
  texts: readonly string[],
  expiresS: number,
): readonly IssuedToken[] {
  const staples = reader.has('heads') ? reader.texts('heads', headsMax) : []
  const heads = staples.flatMap((staple) => {
    const read = readStaple(staple)
    if (read instanceof TokenRefusal) throw reader.malformed('`heads` has something that is no head')
    return read.map(({ start, end, sigs }): KnownHead => ({ start, end, sigs, staple }))
  })
  return texts.map((text) => issuedToken(reader, { text, heads, expiresS }))
}

function issuedToken(
  reader: AnswerReader,
  { text, heads, expiresS }: { text: string; heads: readonly KnownHead[]; expiresS: number },
): IssuedToken {
  if (text.length > limits.headerFieldMax) throw reader.malformed('a token is too long')
  const token = readToken(text)
  if (token instanceof TokenRefusal) throw reader.malformed('something is no token')
  // A reference says nothing about itself, and what it stands for is fetched with its head by whoever verifies.
  if (token.form === 'reference') return new IssuedToken(text, undefined, expiresS)
  const staple = token.form === 'compact' ? stapleFor(token, heads) : undefined
  return new IssuedToken(text, staple, token.claims.exp)
}

// By key as well: where a log was closed in the middle of an order, two logs may have heads over the same positions.
function stapleFor({ keyId, start, end }: MerkleToken, heads: readonly KnownHead[]): string | undefined {
  const own = heads.find(
    (head) => head.start === start && head.end === end && head.sigs.some((sig) => sig.keyId === keyId),
  )
  return own?.staple
}
