import { parseEvidence, type Receipt } from '@quantum-ip/attestation'
import { isQipError, limits } from '@quantum-ip/base'
import { type AnswerReader, requestObject } from './read-answer.ts'
import type { Requester } from './request.ts'

/** An attestation as the registry took it in. */
export interface RegisteredAttestation {
  /** SHA-256 of the artifact, lowercase hexadecimal. */
  readonly build: string
  /** The number of the attestation log, as claim `att` has it. */
  readonly log: number
  readonly index: number
  readonly origin: string
  /** The evidence file, `application/vnd.quantum-ip.evidence.v1+json`: verifies offline. Well-formed, but not verified here. */
  readonly evidence: string
  /** The registry had it already. */
  readonly known: boolean
}

const answerBytesMax = 2_097_152

/**
 * Registers an attestation: `POST /v1/attestations`. What counts are the builder's signatures on the envelope, so nobody has to be
 * admitted for it, and sending it twice registers it once.
 *
 * @param envelope the DSSE envelope, JSON text
 * @param options.build which of the statement's artifacts it is for, SHA-256 in lowercase hex, where it has several
 * @throws {ClientError} `QIP_CLIENT_AUTHORITY_REFUSED` with what the registry does not accept · `QIP_CLIENT_AUTHORITY_UNAVAILABLE`
 */
export async function submitAttestation(
  requester: Requester,
  envelope: string,
  { build }: { readonly build?: string } = {},
): Promise<RegisteredAttestation> {
  if (Buffer.byteLength(envelope) > limits.envelopeBytesMax)
    throw new TypeError('an envelope has at most 1 MiB')
  const answer = await requestObject(requester, {
    operation: 'an attestation',
    method: 'POST',
    target: '/v1/attestations',
    json: { envelope, ...(build !== undefined && { build }) },
    idempotent: true,
    answerBytesMax,
  })
  const evidence = answer.text('evidence')
  const registered = { index: answer.integer('index'), origin: answer.text('origin'), evidence }
  // A file that is kept for years should not turn out to be something else then.
  const receipt = receiptOf(evidence, answer)
  if (receipt.index !== registered.index || receipt.origin !== registered.origin) {
    throw answer.malformed('the receipt in `evidence` is for another entry')
  }
  return {
    build: answer.text('build'),
    log: answer.integer('log'),
    ...registered,
    known: answer.flag('known'),
  }
}

function receiptOf(evidence: string, answer: AnswerReader): Receipt {
  try {
    return parseEvidence(evidence).receipt
  } catch (error) {
    if (isQipError(error)) throw answer.malformed('`evidence` is no evidence file')
    throw error
  }
}
