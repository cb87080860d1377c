import { hex } from '@quantum-ip/base'
import type { Decision } from '@quantum-ip/policy'
import type { Reason, Verdict, VerificationPath } from '@quantum-ip/verifier'
import { failOpensOf } from './fail-opens.ts'
import type { ContinuedTrace, TraceContext } from './trace-context.ts'

/** Value of a span's attribute. */
export type AttributeValue = string | number | boolean | readonly string[]

/** What metrics counted of the verification that a span is about: what makes its trace an exemplar of them. */
export interface MeasuredVerification {
  /** Service ID of the service that was called. */
  readonly service: string
  readonly reason: Reason
  readonly path: VerificationPath
  readonly durationMs: number
}

/** One finished span, with the fields that OpenTelemetry's have. */
export interface Span {
  readonly name: string
  readonly context: TraceContext
  readonly parentSpanId: string | null
  readonly kind: 'internal' | 'server'
  /** Milliseconds since 1970, with fractions. */
  readonly startMs: number
  readonly endMs: number
  readonly attributes: Readonly<Record<string, AttributeValue>>
  /** `error` for what went wrong here; a refused request is no error. */
  readonly status: 'unset' | 'error'
  /** Not exported; absent where no verification was measured. */
  readonly measured?: MeasuredVerification
}

/** Takes finished spans. Must not block or throw: an exporter that does I/O queues. */
export interface SpanExporter {
  export(span: Span): void
}

/** What a verification's span is made of. */
export interface VerifySpanInput {
  readonly trace: ContinuedTrace
  readonly startMs: number
  readonly endMs: number
  readonly verdict: Verdict
  /** Service ID of the service that was called, where the verification was counted for one. */
  readonly service?: string | undefined
  /** Absent where nothing decided, as in verification as a service. */
  readonly decision?: Decision | undefined
  readonly decisionId?: string | null | undefined
}

/**
 * The span `quantum_ip.verify` of one verification, with the attributes of the conventions: `quantum_ip.status`,
 * `.reason`, `.subject`, `.build`, `.decision_id`, `.policy.version`, `.service`, and what was let through by name.
 *
 * Never a token, key or `jti`. `.subject` and `.build` only of an authenticated caller.
 */
export function verifySpan(input: VerifySpanInput): Span {
  const { trace, verdict, decision, decisionId, service } = input
  const { path, totalMs: durationMs } = verdict.timings
  const attributes: Record<string, AttributeValue> = {
    'quantum_ip.status': verdict.status,
    'quantum_ip.reason': verdict.reason,
    'quantum_ip.deep': verdict.deep,
    'quantum_ip.path': path,
  }
  if (service !== undefined) attributes['quantum_ip.service'] = service
  if (verdict.identity !== undefined) attributes['quantum_ip.subject'] = verdict.identity
  if (verdict.build !== undefined) attributes['quantum_ip.build'] = hex(verdict.build.digest)
  if (typeof decisionId === 'string') attributes['quantum_ip.decision_id'] = decisionId
  if (decision !== undefined) addDecision(attributes, verdict, decision)
  return {
    name: 'quantum_ip.verify',
    context: trace.context,
    parentSpanId: trace.parentSpanId,
    kind: 'internal',
    startMs: input.startMs,
    endMs: input.endMs,
    attributes,
    status: decision?.reason === 'policy_error' ? 'error' : 'unset',
    ...(service !== undefined && { measured: { service, reason: verdict.reason, path, durationMs } }),
  }
}

function addDecision(attributes: Record<string, AttributeValue>, verdict: Verdict, decision: Decision): void {
  attributes['quantum_ip.action'] = decision.action
  attributes['quantum_ip.policy.name'] = decision.policy.name
  attributes['quantum_ip.policy.version'] = decision.policy.version
  attributes['quantum_ip.policy.mode'] = decision.mode
  if (decision.rule !== null) attributes['quantum_ip.policy.rule'] = decision.rule
  if (decision.exception !== null) {
    attributes['quantum_ip.policy.exception'] = decision.exception.name
    attributes['quantum_ip.policy.exception.owner'] = decision.exception.owner
  }
  const failOpen = failOpensOf(verdict, decision)
  if (failOpen.length > 0) attributes['quantum_ip.fail_open'] = failOpen
}
