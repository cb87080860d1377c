import { Type } from 'typebox'

/** An object with exactly these members. */
export function closed<T extends Type.TProperties>(members: T, description?: string): Type.TObject<T> {
  return Type.Object(members, {
    additionalProperties: false,
    ...(description !== undefined && { description }),
  })
}

/** A service ID. */
export const serviceSchema = Type.String({
  maxLength: 512,
  pattern: '^spiffe://',
  description: 'a service ID',
})

const digestSchema = Type.String({
  pattern: '^[0-9a-f]{64}$',
  description: 'SHA-256 of the body, lowercase hexadecimal',
})

const urlSchema = Type.String({ maxLength: 65_535, pattern: '^https?://' })

/** One request, as its receiver sees it. */
export const requestSchema = closed({
  method: Type.String({ pattern: "^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,64}$" }),
  url: urlSchema,
  bodySha256: Type.Optional(digestSchema),
})

/** A place in a trace, or the token of a call. */
export const extendsSchema = closed(
  {
    traceparent: Type.Optional(Type.String({ maxLength: 512, description: 'as it came with the call' })),
    tracestate: Type.Optional(Type.String({ maxLength: 8_000, description: 'as it came with the call' })),
    token: Type.Optional(
      Type.String({
        maxLength: 8_000,
        description: 'the token of the call, where this service got it itself',
      }),
    ),
  },
  'the inbound call on whose behalf this one is made: its caller is named in the chain',
)

/** An order for one token. */
export const orderSchema = closed({
  audience: serviceSchema,
  oneTime: Type.Optional(Type.Boolean({ description: 'good for one request; default false' })),
  extends: Type.Optional(extendsSchema),
  request: Type.Optional(requestSchema),
  proof: Type.Optional(
    Type.String({
      maxLength: 65_535,
      pattern: '^https?://',
      description:
        'the URL of the request: the token is bound to the key of the sidecar, and `fields` has the proof',
    }),
  ),
})

/** A token, and how to send it. */
export const tokenSchema = closed({
  token: Type.String(),
  head: Type.Optional(
    Type.String({ description: 'for Quantum-IP-Head: to be sent where a 401 says `head="required"`' }),
  ),
  expires: Type.Integer({ description: 'seconds since 1970' }),
  fields: Type.Record(Type.String(), Type.String(), { description: 'the fields of the request' }),
})

/** A token to be judged. */
export const questionSchema = closed({
  token: Type.String({ maxLength: 8_000 }),
  head: Type.Optional(Type.String({ maxLength: 8_000 })),
  tracestate: Type.Optional(Type.String({ maxLength: 8_000 })),
  request: Type.Optional(requestSchema),
})

/** Who this service is. */
export const identitySchema = closed({
  service: serviceSchema,
  trustDomain: Type.String(),
  point: Type.String({ description: 'the name of this sidecar in decisions and metrics' }),
  builds: Type.Array(
    closed({
      digest: Type.String(),
      evidence: Type.Integer({ description: '0 declared, 1 platform, 2 measured, 3 hardware' }),
      attestation: Type.Union([Type.Null(), closed({ log: Type.Integer(), index: Type.Integer() })]),
    }),
  ),
  expires: Type.Integer({ description: 'end of the session, seconds since 1970; it is renewed before' }),
})

/** What is held of the trust domain, and what changed last. */
export const stateSchema = closed({
  revision: Type.Integer({ description: 'grows with every change of what stands below' }),
  bundleSequence: Type.Union([Type.Null(), Type.Integer()]),
  epoch: Type.Integer({ description: 'of revocations' }),
  rootSequence: Type.Union([Type.Null(), Type.Integer()]),
  sessionExpires: Type.Integer(),
  staleness: Type.Union([Type.Null(), Type.String({ description: 'why the trust state is not relied on' })]),
})
