import { isQipError } from '@quantum-ip/base'
import type { SignatureAlgorithm, Signer } from '@quantum-ip/crypto'
import { type Custody, custodySigner } from '@quantum-ip/custody'
import type { SigningUse } from '@quantum-ip/trust'
import { AuthorityError } from './authority-errors.ts'

/** What the authority makes keys for: the uses of a bundle, the bundle itself, and the root documents. */
export type KeyPurpose = SigningUse | 'bundle' | 'root'

/** Where the authority's private keys live. A key is made there, signs there, and never comes out. */
export interface KeyCustody {
  create(alg: SignatureAlgorithm, purpose: KeyPurpose): Promise<Signer>
  /** @throws {AuthorityError} `QIP_AUTHORITY_NOT_FOUND` if there is no such key. */
  open(kid: string): Promise<Signer>
  destroy(kid: string): Promise<void>
  close(): Promise<void>
}

/** Which custody has which keys. */
export interface Custodies {
  /** Keys that sign often and live a day: issuing, feed, JWT; and root keys until they are taken offline. */
  readonly local: Custody
  /** Keys that live for years and sign seldom, {@link longLived}; absent: these too are local. */
  readonly service?: Custody | undefined
}

/**
 * The bundle says which keys count, and the key of the attestation log speaks for all evidence: whoever has one of these has the trust
 * domain. The feed key signs twice a second and is replaced by the next bundle; a key service that is away for a minute would
 * turn every verifier stale.
 */
const longLived: ReadonlySet<KeyPurpose> = new Set(['bundle', 'qip-log'])

/** One custody out of two: each key is made where its purpose belongs, and found where it is. */
export function keyCustody({ local, service }: Custodies): KeyCustody {
  const opened = new Map<string, Signer>()
  const remember = (signer: Signer): Signer => {
    opened.set(signer.publicKey.kid, signer)
    return signer
  }
  return {
    async create(alg, purpose) {
      const place = service !== undefined && longLived.has(purpose) ? service : local
      const { kid } = await place.create({ alg, purpose })
      return remember(await custodySigner(place, kid))
    },
    async open(kid) {
      const known = opened.get(kid)
      if (known !== undefined) return known
      return remember(
        (await find(local, kid)) ?? (service && (await find(service, kid))) ?? (await lost(kid)),
      )
    },
    async destroy(kid) {
      opened.delete(kid)
      await local.destroy(kid)
      await service?.destroy(kid)
    },
    async close() {
      await local.close()
      await service?.close()
    },
  }
}

async function find(custody: Custody, kid: string): Promise<Signer | undefined> {
  try {
    return await custodySigner(custody, kid)
  } catch (error) {
    if (isQipError(error, 'QIP_CUSTODY_KEY_UNKNOWN')) return undefined
    throw error
  }
}

function lost(kid: string): Promise<never> {
  return Promise.reject(new AuthorityError('QIP_AUTHORITY_NOT_FOUND', { what: `private key \`${kid}\`` }))
}
