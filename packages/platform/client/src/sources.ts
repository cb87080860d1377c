import { hex, u32be } from '@quantum-ip/base'
import type { AttestationSource, HeadSource, ReferenceSource } from '@quantum-ip/verifier'
import { isNotFound } from './lib/problem.ts'
import { type JsonRequest, requestObject } from './read-answer.ts'
import type { Requester } from './request.ts'

/** Milliseconds that a request in the path of somebody else's request may take. */
const lookupTimeoutMs = 2_000
const evidenceBytesMax = 2_097_152

/** A member of the answer, or `undefined` if the authority itself says that there is no such thing. */
async function look(requester: Requester, request: JsonRequest, member: string): Promise<string | undefined> {
  try {
    const answer = await requestObject(requester, { timeoutMs: lookupTimeoutMs, ...request })
    return answer.text(member)
  } catch (error) {
    if (isNotFound(error)) return undefined
    throw error
  }
}

/** Asks the authority for heads (`GET /v1/heads/{key}/{start}-{end}`, open to all). For the verifier of the authority's trust domain. */
export function headSource(requester: Requester): HeadSource {
  return {
    fetchHead({ keyId, start, end }) {
      const target = `/v1/heads/${hex(u32be(keyId))}/${start}-${end}`
      return look(requester, { operation: 'a head', method: 'GET', target }, 'staple')
    },
  }
}

/** Asks registry and ledger for attestations (`GET /v1/attestations/{log}/{index}`, for members). */
export function attestationSource(requester: Requester): AttestationSource {
  return {
    async fetchAttestation({ origin, index }) {
      // In tokens and in this path a log is its number, the end of its origin: `acme.example/attestations/1`.
      const number = /\/([1-9]\d{0,9})$/.exec(origin)?.[1]
      if (number === undefined) return undefined
      const target = `/v1/attestations/${number}/${index}`
      const request: JsonRequest = { operation: 'an attestation', method: 'GET', target }
      const evidence = await look(requester, { ...request, answerBytesMax: evidenceBytesMax }, 'evidence')
      return evidence === undefined ? undefined : { evidence, source: 'remote' }
    },
  }
}

/** Resolves reference tokens (`POST /v1/references`, for members). */
export function referenceSource(requester: Requester): ReferenceSource {
  return {
    resolveReference(token) {
      const request = { operation: 'a reference token', method: 'POST', target: '/v1/references' } as const
      return look(requester, { ...request, json: { token }, idempotent: true }, 'token')
    },
  }
}
