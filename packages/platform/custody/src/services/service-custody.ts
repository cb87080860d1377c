import { isQipError, utf8 } from '@quantum-ip/base'
import { type PublicKey, type SignatureAlgorithm, verifySignature } from '@quantum-ip/crypto'
import { CustodyError } from '../custody-errors.ts'
import type { Custody, CustodyKey, KeyOrder } from '../custody.ts'

/** A key as a service knows it. */
export interface ServiceKey extends CustodyKey {
  /** Its name there. */
  readonly id: string
}

/** What a key service has to be able to do; all else is common to them. */
export interface KeyService {
  /** For people: `AWS KMS in eu-central-1`. */
  readonly name: string
  readonly algorithms: readonly SignatureAlgorithm[]
  createKey(order: KeyOrder): Promise<ServiceKey>
  /** All keys of this program there. */
  keys(): Promise<readonly ServiceKey[]>
  sign(key: ServiceKey, message: Uint8Array): Promise<Uint8Array>
  destroyKey(key: ServiceKey): Promise<void>
  close(): Promise<void>
}

const trial = utf8('quantum-ip: a new key is tried before anything rests on it')

/**
 * Custody at a key service. Every signature that comes back is verified here, against the public key that has this thumbprint, before
 * anybody gets it: a service, or whoever answers in its place, can refuse and never mislead.
 */
export function serviceCustody(service: KeyService): Custody {
  const known = new Map<string, ServiceKey>()
  const find = async (kid: string): Promise<ServiceKey> => {
    if (!known.has(kid)) for (const key of await service.keys()) known.set(key.publicKey.kid, key)
    const key = known.get(kid)
    if (key === undefined) throw new CustodyError('QIP_CUSTODY_KEY_UNKNOWN', { kid, custody: service.name })
    return key
  }
  const sign = async (key: ServiceKey, message: Uint8Array): Promise<Uint8Array> => {
    const signature = await service.sign(key, message)
    await verifyReturned(service, { key: key.publicKey, message, signature })
    return signature
  }
  return {
    name: service.name,
    async create(order) {
      if (!service.algorithms.includes(order.alg)) {
        throw new CustodyError('QIP_CUSTODY_ALGORITHM_REFUSED', {
          algorithm: order.alg,
          custody: service.name,
        })
      }
      const key = await service.createKey(order)
      await sign(key, trial)
      known.set(key.publicKey.kid, key)
      return key.publicKey
    },
    publicKey: async (kid) => (await find(kid)).publicKey,
    sign: async (kid, message) => sign(await find(kid), message),
    list: async () => (await service.keys()).map(({ publicKey, purpose }) => ({ publicKey, purpose })),
    async destroy(kid) {
      const key = (await service.keys()).find(({ publicKey }) => publicKey.kid === kid)
      known.delete(kid)
      if (key !== undefined) await service.destroyKey(key)
    },
    close: () => service.close(),
  }
}

async function verifyReturned(
  { name }: KeyService,
  signed: { readonly key: PublicKey; readonly message: Uint8Array; readonly signature: Uint8Array },
): Promise<void> {
  try {
    await verifySignature(signed)
  } catch (cause) {
    if (!isQipError(cause)) throw cause
    const reason = `the signature does not hold for key \`${signed.key.kid}\``
    throw new CustodyError(
      'QIP_CUSTODY_SERVICE_FAULTY',
      { service: name, operation: 'sign', reason },
      { cause },
    )
  }
}
