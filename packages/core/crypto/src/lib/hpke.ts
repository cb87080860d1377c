import { concatBytes, utf8 } from '@quantum-ip/base'
import { shake256 } from './shake256.ts'

/** Identifiers of the HPKE registries: 16 bits each. */
export interface HpkeSuite {
  readonly kem: number
  readonly kdf: number
  readonly aead: number
}

/** What {@link hpkeSchedule} derives. */
export interface HpkeSecrets {
  /** 32 bytes, for AES-256-GCM or ChaCha20-Poly1305. */
  readonly key: Uint8Array
  /** 12 bytes: the nonce of the first message. */
  readonly nonce: Uint8Array
}

const keyBytes = 32
const nonceBytes = 12
/** Nh of SHAKE256: the exporter secret, which is drawn as specified and dropped. */
const exporterBytes = 64

/**
 * The key schedule of HPKE in base mode with the one-stage KDF SHAKE256 (draft-ietf-hpke-hpke-05, section 5.1,
 * `CombineSecrets_OneStage`; draft-ietf-hpke-pq, section 5).
 */
export function hpkeSchedule(input: {
  suite: HpkeSuite
  sharedSecret: Uint8Array
  info: Uint8Array
}): HpkeSecrets {
  const { suite, sharedSecret, info } = input
  const size = keyBytes + nonceBytes + exporterBytes
  const none = new Uint8Array(0)
  const secrets = concatBytes(prefixed16(none), prefixed16(sharedSecret))
  const context = concatBytes(Uint8Array.of(0), prefixed16(none), prefixed16(info))
  const suiteId = concatBytes(utf8('HPKE'), u16be(suite.kem), u16be(suite.kdf), u16be(suite.aead))
  const label = prefixed16(utf8('secret'))
  // LabeledDerive, section 4: the input, the version, the suite, the label, the length asked for, the context.
  const derived = shake256(concatBytes(secrets, utf8('HPKE-v1'), suiteId, label, u16be(size), context), size)
  return { key: derived.subarray(0, keyBytes), nonce: derived.subarray(keyBytes, keyBytes + nonceBytes) }
}

function prefixed16(bytes: Uint8Array): Uint8Array {
  return concatBytes(u16be(bytes.length), bytes)
}

function u16be(value: number): Uint8Array {
  return Uint8Array.of(value >>> 8, value & 0xff)
}
