import { equalBytes } from '@quantum-ip/base'
import type { Envelope, EnvelopeSignature } from '@quantum-ip/crypto'

/**
 * One envelope with the signatures of several over the same payload: offline keys that are kept apart each sign by
 * themselves. A signature that occurs twice is kept once. Nothing is verified.
 *
 * @throws {TypeError} if there is no envelope, or payload or payload type differ.
 */
export function joinSignatures(envelopes: readonly Envelope[]): Envelope {
  const [first, ...others] = envelopes
  if (first === undefined) throw new TypeError('there is no envelope')
  const signatures: EnvelopeSignature[] = [...first.signatures]
  for (const { payload, payloadType, signatures: more } of others) {
    if (payloadType !== first.payloadType || !equalBytes(payload, first.payload)) {
      throw new TypeError('the envelopes hold different documents')
    }
    for (const signature of more) {
      if (!signatures.some(({ sig }) => equalBytes(sig, signature.sig))) signatures.push(signature)
    }
  }
  return { ...first, signatures }
}
