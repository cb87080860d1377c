import { isQipError, type Json, type JsonObject } from '@quantum-ip/base'
import { AnswerReader, requestJson, type Requester } from '@quantum-ip/client'
import { parseEnvelope } from '@quantum-ip/crypto'
import { parseRootDocument } from '@quantum-ip/trust'
import type { CasePart } from './case-file.ts'

const bytesMax = 256 * 1_048_576
const rootsMax = 1_000

/**
 * The signed documents of an authority as they are served: every root document, the bundle, the newest state, and the revocations
 * that it confirms.
 *
 * @throws {ClientError}
 */
export async function collectTrust(requester: Requester): Promise<readonly CasePart[]> {
  const operation = 'the history'
  const target = '/v1/history?lifetime=0'
  const answer = await requestJson(requester, { operation, method: 'GET', target, answerBytesMax: bytesMax })
  const history = new AnswerReader(answer, operation)
  const revocations: readonly Json[] = history.list('revocations', 4_000_000)
  return [
    ...(await collectRoots(requester)),
    { kind: 'bundle', name: 'bundle', text: history.text('bundle') },
    { kind: 'state', name: 'state', text: history.text('state') },
    { kind: 'revocations', name: 'revocations', text: JSON.stringify(revocations) },
  ]
}

async function collectRoots(requester: Requester): Promise<readonly CasePart[]> {
  const newest = await fetchText(requester, '/v1/root')
  const { sequence } = parseRootDocument(parseEnvelope(newest).payload)
  const parts: CasePart[] = []
  for (let at = 1; at < Math.min(sequence, rootsMax); at++) {
    try {
      parts.push({
        kind: 'root',
        name: `root-${at}`,
        text: await fetchText(requester, `/v1/root?sequence=${at}`),
      })
    } catch (error) {
      // Sequences leave numbers out.
      if (!isQipError(error, 'QIP_CLIENT_AUTHORITY_REFUSED')) throw error
    }
  }
  return [...parts, { kind: 'root', name: `root-${sequence}`, text: newest }]
}

async function fetchText(requester: Requester, target: string): Promise<string> {
  const { body } = await requester.request({ operation: 'the root document', method: 'GET', target })
  return Buffer.from(body).toString('utf8')
}

/** An answer as a part, or why there is none. */
export async function fetchPart(
  requester: Requester,
  { kind, name, target }: Pick<CasePart, 'kind' | 'name'> & { readonly target: string },
): Promise<CasePart & { readonly json: JsonObject }> {
  const json = (await requestJson(requester, {
    operation: `the part ${name}`,
    method: 'GET',
    target,
    answerBytesMax: 64 * 1_048_576,
  })) as JsonObject
  return { kind, name, text: JSON.stringify(json), json }
}
