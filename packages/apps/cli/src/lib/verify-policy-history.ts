import { base64url, equalBytes, isQipError } from '@quantum-ip/base'
import type { Requester } from '@quantum-ip/client'
import { parseEnvelope, sha256 } from '@quantum-ip/crypto'
import {
  parsePolicyRollout,
  policyKeys,
  type PolicyRollout,
  type TrustStore,
  verifyPolicyRollout,
  verifyPolicyText,
} from '@quantum-ip/trust'

/** What of a policy's history was verified. */
export interface VerifiedHistory {
  /** Rollouts, from the one that the signed state names back. */
  readonly rollouts: number
  /** Texts that they name. */
  readonly versions: number
  /** Documents whose key does not count any more: what is behind them holds them, not their signature. */
  readonly unsigned: number
  /** What does not hold; `undefined`: all of it does. */
  readonly fault: string | undefined
}

interface Subject {
  readonly requester: Requester
  readonly store: TrustStore
  readonly name: string
}

/**
 * Verifies what was in force of a policy when: the signed state commits to the newest rollout, each rollout to the one before and to
 * the texts that it names.
 *
 * @param numbers of the rollouts as the authority lists them, the newest first; newer ones than the state names are left out
 */
export async function verifyPolicyHistory(
  subject: Subject,
  numbers: readonly number[],
): Promise<VerifiedHistory> {
  const stated = subject.store.policy(subject.name)
  const [counts, texts] = [{ rollouts: 0, unsigned: 0 }, new Map<number, string>()]
  const found = (fault?: string) => ({ ...counts, versions: texts.size, fault })
  if (stated === undefined) return found('the signed state names no rollout of it')
  let wanted: Uint8Array | undefined = stated.sha256
  const listed = numbers.filter((number) => number <= stated.version)
  if (listed[0] !== stated.version)
    return found(`rollout ${stated.version} of the signed state is not listed`)
  for (const number of listed) {
    if (wanted === undefined) return found(`rollout ${number} is before the first one of the chain`)
    const envelope = await fetchEnvelope(subject, `rollouts/${number}`)
    const payload = parseEnvelope(envelope).payload
    if (!equalBytes(sha256(payload), wanted))
      return found(`rollout ${number} is not the one that is committed to`)
    const rollout = parsePolicyRollout(payload)
    if (!(await isSigned(verifyPolicyRollout, subject, envelope))) counts.unsigned++
    counts.rollouts++
    for (const each of namedIn(rollout)) {
      const hash = base64url(each.sha256)
      const known = texts.get(each.version)
      if (known === undefined) {
        const text = await fetchEnvelope(subject, `versions/${each.version}`)
        texts.set(each.version, base64url(sha256(parseEnvelope(text).payload)))
        if (!(await isSigned(verifyPolicyText, subject, text))) counts.unsigned++
      }
      if (texts.get(each.version) !== hash)
        return found(`version ${each.version} is not the one that rollout ${number} names`)
    }
    wanted = rollout.previous
  }
  return found()
}

function namedIn({ active, candidate }: PolicyRollout) {
  return candidate === undefined ? [active] : [active, candidate]
}

async function fetchEnvelope({ requester, name }: Subject, what: string): Promise<Uint8Array> {
  const target = `/v1/policies/${encodeURIComponent(name)}/${what}`
  return (await requester.request({ operation: 'the policy', method: 'GET', target })).body
}

async function isSigned(
  verify: typeof verifyPolicyRollout | typeof verifyPolicyText,
  { store }: Subject,
  envelope: Uint8Array,
): Promise<boolean> {
  try {
    await verify({ envelope, td: store.td, keys: policyKeys(store) })
    return true
  } catch (error) {
    if (isQipError(error, 'QIP_TRUST_SIGNATURES_INSUFFICIENT')) return false
    throw error
  }
}
