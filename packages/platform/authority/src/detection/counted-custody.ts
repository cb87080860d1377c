import type { Signer } from '@quantum-ip/crypto'
import type { KeyCustody } from '../custody.ts'

/** What is done with a private key: taken out of custody to be used, or a signature with it. */
export type KeyOperation = 'open' | 'sign'

/** Custody that tells of every use of a key. Whatever signs got its signer here, so no use is left out. */
export function countedCustody(
  custody: KeyCustody,
  used: (kid: string, operation: KeyOperation) => void,
): KeyCustody {
  return {
    ...custody,
    create: async (alg, purpose) => countedSigner(await custody.create(alg, purpose), used),
    async open(kid) {
      const signer = await custody.open(kid)
      used(kid, 'open')
      return countedSigner(signer, used)
    },
    destroy: (kid) => custody.destroy(kid),
  }
}

function countedSigner(signer: Signer, used: (kid: string, operation: KeyOperation) => void): Signer {
  const { publicKey } = signer
  return {
    publicKey,
    sign(message) {
      used(publicKey.kid, 'sign')
      return signer.sign(message)
    },
  }
}
