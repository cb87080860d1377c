import { type Json, limits, type JsonObject } from '@quantum-ip/base'
import { parseEnvelope } from '@quantum-ip/crypto'
import {
  type HeadRecord,
  parseHead,
  parseRevocation,
  parseRootDocument,
  parseState,
  type RevocationRecord,
  trustLimits,
} from '@quantum-ip/trust'
import { type AnswerReader, readLargeAnswer } from '../read-answer.ts'
import type { Requester } from '../request.ts'

/** What a store needs to go from any state, or from none, to the newest. Nothing of it is verified. */
export interface History {
  /** An older signed state; `heads` are those listed after it. */
  readonly base: Uint8Array | string
  readonly heads: readonly HeadRecord[]
  readonly revocations: readonly RevocationRecord[]
  readonly state: string
  readonly bundle: string
}

// Base64, escapes and signatures around a payload of 1 MiB.
const documentBytesMax = 2 * limits.envelopeBytesMax
const historyBytesMax = trustLimits.snapshotBytesMax
const historyTimeoutMs = 60_000
// What the store takes is its own matter; these only keep an answer from being nothing but brackets.
const headsMax = 4_000_000
const revocationsMax = 1_000_000

/** The newest document of a kind, or the root document with this sequence. */
export async function fetchDocument(
  requester: Requester,
  kind: 'root' | 'bundle' | 'state',
  sequence?: number,
): Promise<Uint8Array> {
  const target = sequence === undefined ? `/v1/${kind}` : `/v1/${kind}?sequence=${sequence}`
  const operation = `the ${kind === 'root' ? 'root document' : kind}`
  const answer = await requester.request({
    operation,
    method: 'GET',
    target,
    answerBytesMax: documentBytesMax,
  })
  return answer.body
}

/** The sequence that a root document says it has. Not verified. */
export function rootSequenceOf(envelope: Uint8Array): number {
  return parseRootDocument(parseEnvelope(envelope).payload).sequence
}

/** The head chain that a state says it has. Not verified. */
export function headChainOf(envelope: Uint8Array | string): Uint8Array {
  return parseState(parseEnvelope(envelope).payload).headChain
}

/** The history since a state that is at least `lifetimeS` old. */
export async function fetchHistory(requester: Requester, lifetimeS: number): Promise<History> {
  const operation = 'the history'
  const answer = await requester.request({
    operation,
    method: 'GET',
    target: `/v1/history?lifetime=${lifetimeS}`,
    answerBytesMax: historyBytesMax,
    timeoutMs: historyTimeoutMs,
  })
  const reader = readLargeAnswer(answer, operation)
  return {
    base: reader.text('base'),
    heads: reader.list('heads', headsMax).map((json) => parseHead(json)),
    revocations: readRevocations(reader),
    state: reader.text('state'),
    bundle: reader.text('bundle'),
  }
}

/** The revocation records of an answer or event. Unverified: the chain in the signed state proves them. */
export function readRevocations(reader: AnswerReader): readonly RevocationRecord[] {
  return reader.list('revocations', revocationsMax).map((json) => parseRevocation(objectOf(json, reader)))
}

function objectOf(json: Json, reader: AnswerReader): JsonObject {
  if (json === null || typeof json !== 'object' || Array.isArray(json)) {
    throw reader.malformed('`revocations` has something that is no record')
  }
  return json
}
