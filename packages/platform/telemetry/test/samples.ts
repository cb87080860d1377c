import type { Random } from '@quantum-ip/base'
import { type CompiledPolicy, type Facts, builtinPolicy, decide, factsOf } from '@quantum-ip/policy'
import type { Reason, Verdict } from '@quantum-ip/verifier'
import type { DecisionInput } from '../src/index.ts'
import { statusByReason } from '../src/closed-sets.ts'

export const caller = 'spiffe://acme.example/ns/prod/sa/shop'
export const service = 'spiffe://acme.example/ns/prod/sa/cart'
export const nowMs = 1_800_000_000_000

/** Bytes that count up, shifted after each 32: the same in every run. */
export function countingRandom(): Random {
  let next = 0
  return { bytes: (size) => Uint8Array.from({ length: size }, () => (next++ + (next >> 5)) & 255) }
}

export function verdictOf(reason: Reason, more: Partial<Verdict> = {}): Verdict {
  const authenticated = more.authenticated ?? statusByReason[reason] === 'verified'
  return {
    status: statusByReason[reason],
    reason,
    authenticated,
    identity: authenticated ? caller : undefined,
    claimedSubject: authenticated ? undefined : `${caller}-claimed`,
    build: authenticated ? { digest: new Uint8Array(32).fill(0xab), evidence: 'measured' } : undefined,
    attestation: authenticated ? { log: 'acme.example/attestations/1', index: 42 } : undefined,
    chain: authenticated ? [] : undefined,
    binding: 'none',
    requestBound: false,
    oneTime: false,
    deep: reason === 'ok',
    epoch: 7,
    form: 'compact',
    token: { log: 'acme.example/tokens/3', index: 99, digest: new Uint8Array(32).fill(0xcd) },
    issuedS: undefined,
    expiresS: undefined,
    notes: {
      provisionalHead: false,
      reliedOn: undefined,
      unanchoredHead: false,
      staleTrustAccepted: false,
      replayPerInstance: false,
      domainAudience: false,
      retried: false,
      alsoUnverifiable: [],
    },
    timings: { path: 'cold', totalMs: 0.012 },
    ...more,
  }
}

export function factsFor(verdict: Verdict, mark = ''): Facts {
  return factsOf({
    verdict,
    request: {
      method: 'GET',
      host: `shop.acme.example${mark}`,
      path: `/private${mark}`,
      route: 'shop',
      mtls: mark === '' ? null : mark,
      jwt: mark === '' ? null : { subject: mark, issuer: mark },
    },
    environment: {
      point: 'edge-1',
      region: 'eu-1',
      service,
      tier: 'critical',
      stage: 'enforced',
      incident: false,
      mode: 'enforce',
    },
    nowMs,
  })
}

/** What a decision log is given for a verdict of this reason. */
export function inputOf(
  reason: Reason,
  more: {
    readonly verdict?: Partial<Verdict>
    readonly policy?: CompiledPolicy
    readonly mark?: string
  } = {},
): DecisionInput {
  const verdict = verdictOf(reason, more.verdict)
  const facts = factsFor(verdict, more.mark)
  return { verdict, facts, decision: decide(more.policy ?? builtinPolicy, facts), traceId: 'ab'.repeat(16) }
}
