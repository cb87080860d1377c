import { hex, type Json } from '@quantum-ip/base'
import type { App } from '@quantum-ip/http'
import type { Verdict, Verifier } from '@quantum-ip/verifier'
import { Type } from 'typebox'
import { closed, sidSchema } from './schemas.ts'

const questionSchema = closed({
  token: Type.String({ maxLength: 8_000 }),
  audience: sidSchema,
  staple: Type.Optional(Type.String({ maxLength: 8_000 })),
})

/** A verdict as JSON: what it says, without the token's secret. */
export function verdictJson(verdict: Verdict): Json {
  const { build, token } = verdict
  return {
    status: verdict.status,
    reason: verdict.reason,
    authenticated: verdict.authenticated,
    identity: verdict.identity ?? null,
    claimedSubject: verdict.claimedSubject ?? null,
    build:
      build === undefined
        ? null
        : {
            digest: hex(build.digest),
            evidence: build.evidence,
            builder: build.builder ?? null,
            slsaLevel: build.slsaLevel ?? null,
            source: build.source ?? null,
          },
    chain: (verdict.chain ?? []).map(({ sid, log, index }) => ({ sid, log, index })),
    deep: verdict.deep,
    oneTime: verdict.oneTime,
    epoch: verdict.epoch,
    expires: verdict.expiresS ?? null,
    token: token === undefined ? null : { log: token.log, index: token.index, digest: hex(token.digest) },
    provisional: verdict.notes.provisionalHead,
  }
}

/** Verification as a service, single and batch. */
export function addVerifyRoutes(app: App, verifier: Verifier): void {
  app.post(
    '/v1/verify',
    {
      config: { access: 'member' },
      schema: { body: closed({ tokens: Type.Array(questionSchema, { minItems: 1, maxItems: 100 }) }) },
    },
    async (request) => {
      const verdicts = await Promise.all(
        request.body.tokens.map(async ({ token, audience, staple }) =>
          verifier.verify({
            token,
            tokenCount: 1,
            audience,
            staple,
            acceptStandalone: true,
            acceptJwt: true,
            acceptReference: true,
          }),
        ),
      )
      return { verdicts: verdicts.map((verdict) => verdictJson(verdict)) }
    },
  )
}
