import type { Json, JsonObject } from '@quantum-ip/base'
import { isObject } from '../lib/json.ts'

// Reported parts are what somebody else wrote down: nothing of them is sure to be there, and what is not counts as absent.

/** A member that is text. */
export function textAt(json: JsonObject, name: string): string | undefined {
  const value = json[name]
  return typeof value === 'string' ? value : undefined
}

/** A member that is a number. */
export function numberAt(json: JsonObject, name: string): number | undefined {
  const value = json[name]
  return typeof value === 'number' ? value : undefined
}

/** A member that is an object. */
export function objectAt(json: JsonObject, name: string): JsonObject | undefined {
  const value = json[name]
  return value !== undefined && isObject(value) ? value : undefined
}

/** The objects in a member that is a list. */
export function objectsAt(json: JsonObject, name: string): readonly JsonObject[] {
  const value: Json | undefined = json[name]
  return Array.isArray(value) ? value.filter((each) => isObject(each)) : []
}

/** A decision as far as an investigation looks at it. */
export interface DecisionFact {
  readonly id: string
  readonly timeMs: number
  readonly point: string
  readonly service: string
  readonly status: string
  readonly reason: string
  readonly action: string
  readonly subject: string | undefined
  readonly claimedSubject: string | undefined
  readonly build: string | undefined
  readonly attestation: { readonly log: string; readonly index: number } | undefined
  readonly token: { readonly log: string; readonly index: number; readonly digest: string } | undefined
  readonly head: string | undefined
  readonly epoch: number
  readonly traceId: string | undefined
  readonly exception: string | undefined
  readonly rule: string | undefined
  /** Of such requests, the share that is recorded. */
  readonly share: number
}

/** What a decision record says. */
export function decisionFact(record: JsonObject): DecisionFact {
  const token = objectAt(record, 'token')
  const attestation = objectAt(record, 'attestation')
  const build = objectAt(record, 'build')
  const exception = record['exception']
  return {
    id: textAt(record, 'id') ?? '',
    timeMs: numberAt(record, 'timeMs') ?? 0,
    point: textAt(record, 'point') ?? '',
    service: textAt(record, 'service') ?? '',
    status: textAt(record, 'status') ?? '',
    reason: textAt(record, 'reason') ?? '',
    action: textAt(record, 'action') ?? '',
    subject: textAt(record, 'subject'),
    claimedSubject: textAt(record, 'claimedSubject'),
    build: build && textAt(build, 'digest'),
    attestation: attestation && {
      log: textAt(attestation, 'log') ?? '',
      index: numberAt(attestation, 'index') ?? 0,
    },
    token: token && {
      log: textAt(token, 'log') ?? '',
      index: numberAt(token, 'index') ?? 0,
      digest: textAt(token, 'digest') ?? '',
    },
    head: textAt(record, 'head'),
    epoch: numberAt(record, 'epoch') ?? 0,
    traceId: textAt(record, 'traceId'),
    exception:
      exception !== undefined && isObject(exception)
        ? textAt(exception, 'name')
        : textAt(record, 'exception'),
    rule: textAt(record, 'rule'),
    share: numberAt(record, 'share') ?? 1,
  }
}
