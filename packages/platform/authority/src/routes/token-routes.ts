import { parseBase64url } from '@quantum-ip/base'
import { doctorService } from '@quantum-ip/client'
import type { App } from '@quantum-ip/http'
import type { Confirmation } from '@quantum-ip/token'
import { Type } from 'typebox'
import type { Session } from '../admission/sessions.ts'
import { AuthorityError } from '../authority-errors.ts'
import { verifySubjectToken } from '../issuance/exchange.ts'
import { parseTokenOrder } from '../issuance/token-order.ts'
import { type IssuingPart, sessionOf } from './route-context.ts'
import { bytes32Schema, closed, digestSchema, sidSchema } from './schemas.ts'

/** RFC 8693's grant type. */
const exchangeGrant = 'urn:ietf:params:oauth:grant-type:token-exchange'
/** Our tokens' type in RFC 8693's terms. */
const tokenType = 'urn:quantum-ip:token-type:token'

const formSchema = Type.Union([
  Type.Literal('compact'),
  Type.Literal('standalone'),
  Type.Literal('jwt'),
  Type.Literal('reference'),
])

const orderSchema = closed({
  audience: Type.Union([sidSchema, Type.Array(sidSchema, { minItems: 1, maxItems: 8 })]),
  count: Type.Optional(Type.Integer({ minimum: 1, maximum: 1_000 })),
  ttl: Type.Optional(Type.Integer({ minimum: 1, maximum: 3_600, description: 'seconds' })),
  oneTime: Type.Optional(Type.Boolean()),
  form: Type.Optional(formSchema),
  build: Type.Optional(digestSchema),
  confirmation: Type.Optional(
    Type.Union([closed({ jkt: bytes32Schema }), closed({ x5tS256: bytes32Schema })]),
  ),
  requestBinding: Type.Optional(bytes32Schema),
  patient: Type.Optional(Type.Boolean({ description: 'may wait up to a second to share a batch' })),
})

// RFC 8693, and beside it what may be wished of any token: it has no parameters for that.
const exchangeSchema = closed({
  grant_type: Type.Literal(exchangeGrant),
  subject_token: Type.String({ maxLength: 8_000 }),
  subject_token_type: Type.Literal(tokenType),
  requested_token_type: Type.Optional(Type.Literal(tokenType)),
  audience: sidSchema,
  one_time: Type.Optional(Type.Literal('true')),
  request_binding: Type.Optional(bytes32Schema),
  cnf_jkt: Type.Optional(bytes32Schema),
})

const issuedSchema = closed({
  tokens: Type.Array(Type.String()),
  heads: Type.Array(Type.String({ description: 'a Quantum-IP-Head value' })),
  expires: Type.Integer({ description: 'seconds since 1970' }),
})

/** Issuance: tokens, RFC 8693 exchange, and what references stand for. */
export function addTokenRoutes(app: App, { authority }: { readonly authority: IssuingPart }): void {
  const { issuer } = authority
  const rules = authority.issuanceRules

  app.post(
    '/v1/tokens',
    {
      config: { access: 'session', postQuantum: true },
      schema: { body: orderSchema, response: { 200: issuedSchema } },
    },
    async (request) => {
      const { confirmation, requestBinding, ...input } = request.body
      const session = sessionOf(request)
      // The doctor runs no service: what it draws goes through the path that it looks at.
      if (session.sid !== doctorService(rules.td)) checkWorkload(session)
      const order = parseTokenOrder(
        input,
        {
          session,
          ...(confirmation !== undefined && { confirmation: parseConfirmation(confirmation) }),
          ...(requestBinding !== undefined && { requestBinding: parseBase64url(requestBinding) }),
        },
        rules,
      )
      const { tokens, heads, expiresS } = await issuer.issue(order)
      return { tokens: [...tokens], heads: [...heads], expires: expiresS }
    },
  )

  app.post(
    '/oauth/token',
    {
      config: { access: 'session', postQuantum: true, form: true },
      schema: {
        body: exchangeSchema,
      },
    },
    async (request) => {
      const session = sessionOf(request)
      checkWorkload(session)
      const { subject_token: subject, audience, one_time, request_binding, cnf_jkt } = request.body
      const exchanged = await verifySubjectToken(authority.exchange, subject, session.sid)
      const context = {
        session,
        ...exchanged,
        ...(request_binding !== undefined && { requestBinding: parseBase64url(request_binding) }),
        ...(cnf_jkt !== undefined && { confirmation: { jkt: parseBase64url(cnf_jkt) } }),
      }
      const order = parseTokenOrder({ audience, oneTime: one_time !== undefined }, context, rules)
      const { tokens, heads, expiresS } = await issuer.issue(order)
      return {
        access_token: tokens[0],
        issued_token_type: tokenType,
        // The token goes into its own field, never into Authorization (RFC 8693, section 2.2.1).
        token_type: 'N_A',
        expires_in: Math.max(0, expiresS - Math.floor(authority.clock.now() / 1_000)),
        heads: [...heads],
      }
    },
  )

  app.post(
    '/v1/references',
    { config: { access: 'member' }, schema: { body: closed({ token: Type.String({ maxLength: 64 }) }) } },
    async (request) => {
      const token = await authority.references.resolve(request.body.token)
      if (token === undefined) throw new AuthorityError('QIP_AUTHORITY_NOT_FOUND', { what: 'reference' })
      return { token }
    },
  )
}

/**
 * Tokens are for what was admitted as a workload. For an enforcement point no admission rule was asked and no attestation: with tokens
 * of its session it could call as a service whose builds nobody looked at.
 */
function checkWorkload({ role }: Session): void {
  if (role === 'workload') return
  // Not `SESSION_REFUSED`: clients would renew the session at each try.
  throw new AuthorityError('QIP_AUTHORITY_ADMISSION_REFUSED', {
    reason: `a session of role \`${role}\` draws no tokens`,
    next: 'have the service admitted with role `workload`, beside its enforcement point',
  })
}

function parseConfirmation(input: { jkt: string } | { x5tS256: string }): Confirmation {
  return 'jkt' in input ? { jkt: parseBase64url(input.jkt) } : { x5tS256: parseBase64url(input.x5tS256) }
}
