import type { JsonObject } from '@quantum-ip/base'
import { type AnswerReader, requestJson, type Requester } from '@quantum-ip/client'
import { parseEnvelope } from '@quantum-ip/crypto'
import { parsePolicyText, type PolicyText } from '@quantum-ip/trust'
import { formatShare } from './shares.ts'

/** A version in force, or beside it. */
export interface StageView {
  readonly version: number
  /** `undefined`: as the text says. */
  readonly mode: string | undefined
  /** In hundredths of a percent. */
  readonly share: number
}

/** What of a policy is in force, as the authority tells it. */
export interface RolloutView {
  readonly policy: string
  readonly number: number
  readonly timeMs: number
  readonly action: string
  readonly by: string
  readonly reason: string
  readonly active: StageView
  readonly candidate: StageView | undefined
}

/** Reads a rollout out of an answer. */
export function readRollout(rollout: AnswerReader): RolloutView {
  return {
    policy: rollout.text('policy'),
    number: rollout.integer('number'),
    timeMs: rollout.integer('timeMs'),
    action: rollout.text('action'),
    by: rollout.text('by'),
    reason: rollout.optionalText('reason') ?? '',
    active: readStage(rollout.object('active')),
    candidate: rollout.has('candidate') ? readStage(rollout.object('candidate')) : undefined,
  }
}

function readStage(stage: AnswerReader): StageView {
  return {
    version: stage.integer('version'),
    mode: stage.optionalText('mode'),
    share: stage.has('share') ? stage.integer('share') : 0,
  }
}

/** `version 3, canary 5%`. */
export function activeText({ version, mode, share }: StageView): string {
  if (mode === undefined) return `version ${version}`
  return `version ${version}, ${mode}${mode === 'canary' ? ` ${formatShare(share)}` : ''}`
}

/** `version 4, in shadow` or `version 4, for 5% of the callers`. */
export function candidateText({ version, share }: StageView): string {
  return `version ${version}, ${share === 0 ? 'in shadow' : `for ${formatShare(share)} of the callers`}`
}

/** All that the authority tells of a policy. */
export async function fetchPolicy(requester: Requester, name: string): Promise<JsonObject> {
  const target = `/v1/policies/${encodeURIComponent(name)}`
  return (await requestJson(requester, { operation: 'the policy', method: 'GET', target })) as JsonObject
}

/** One version of a policy. Its signature is the business of those who enforce it. */
export async function fetchVersion(requester: Requester, name: string, version: number): Promise<PolicyText> {
  const target = `/v1/policies/${encodeURIComponent(name)}/versions/${version}`
  const { body } = await requester.request({ operation: 'the policy', method: 'GET', target })
  return parsePolicyText(parseEnvelope(body).payload)
}
