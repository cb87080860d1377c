import type { TrustDomain } from '@quantum-ip/base'
import type { Envelope, PublicKey, Signer } from '@quantum-ip/crypto'
import { checkDomain, parseDomain } from './lib/domain.ts'
import { checkSignatures, openEnvelope, signDocument, verified } from './lib/envelopes.ts'
import { type Members, parseDocument } from './lib/members.ts'
import { serialise } from './lib/serialise.ts'
import { trustLimits } from './payload-types.ts'
import type { EnvelopeInput, Verified } from './verified.ts'

/** One version of a policy, as it was published: it never changes. */
export interface PolicyText {
  readonly td: TrustDomain
  readonly name: string
  readonly version: number
  /** When it was published; milliseconds since 1970. `time` on the wire. */
  readonly timeMs: number
  readonly author: string
  readonly comment: string
  /** The policy as its author wrote it, every character of it. */
  readonly text: string
}

const members = ['td', 'name', 'version', 'time', 'author', 'comment', 'text', 'crit']

/**
 * The payload of a policy version: always the same bytes for the same version.
 *
 * @throws {TrustError} as {@link parsePolicyText}
 */
export function buildPolicyText({ timeMs, comment, text, ...version }: PolicyText): Uint8Array {
  const { td, name, author } = version
  const payload = serialise({
    td,
    name,
    version: version.version,
    time: timeMs,
    author,
    ...(comment !== '' && { comment }),
    text,
  })
  parsePolicyText(payload)
  return payload
}

/**
 * Reads the payload of a policy version. The policy in it is not looked at, and nothing is verified.
 *
 * @throws {TrustError} `QIP_TRUST_DOCUMENT_MALFORMED` · `QIP_TRUST_LIMIT_EXCEEDED` · `QIP_TRUST_CRITICAL_UNKNOWN`
 */
export function parsePolicyText(payload: Uint8Array): PolicyText {
  const document = parseDocument(payload, 'policy', trustLimits.policyBytesMax)
  document.checkCritical(members)
  return {
    td: parseDomain(document),
    name: readPolicyName(document, 'name'),
    version: document.integer('version', { min: 1 }),
    timeMs: document.integer('time'),
    author: document.text('author', trustLimits.nameCharsMax),
    comment: document.optionalText('comment', trustLimits.reasonCharsMax) ?? '',
    text: document.text('text', trustLimits.policyTextCharsMax),
  }
}

/** The name of a policy: what a state lists it by. */
export function readPolicyName(document: Members, name: string): string {
  return document.text(name, trustLimits.nameCharsMax)
}

/**
 * Signs a policy version with a `qip-policy` key.
 *
 * @throws {TrustError} as {@link buildPolicyText}
 */
export function signPolicyText(policy: PolicyText, signer: Signer): Promise<Envelope> {
  return signDocument('policy', buildPolicyText(policy), [signer])
}

/** A signed document about a policy, and what it is checked against. */
export interface PolicyToVerify {
  readonly envelope: EnvelopeInput
  readonly td: TrustDomain
  /** The `qip-policy` keys that count: see {@link policyKeys}. */
  readonly keys: readonly PublicKey[]
}

/**
 * Verifies a policy version: signed by a `qip-policy` key of the trust domain. Which version is in force is what a rollout says.
 *
 * @throws {TrustError} `QIP_TRUST_SIGNATURES_INSUFFICIENT` · `QIP_TRUST_DOMAIN_MISMATCH`, and as {@link parsePolicyText}
 */
export async function verifyPolicyText({
  envelope,
  td,
  keys,
}: PolicyToVerify): Promise<Verified<PolicyText>> {
  const opened = openEnvelope(envelope, 'policy')
  const signers = await checkSignatures(opened, {
    document: 'policy',
    signers: 'policy keys',
    keys,
    threshold: 1,
  })
  const document = parsePolicyText(opened.payload)
  checkDomain('policy', td, document.td)
  return verified(document, opened, signers)
}
