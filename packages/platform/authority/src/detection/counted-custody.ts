import type { Signer } from '@quantum-ip/crypto'
import type { KeyCustody } from '../custody.ts'

/** What is done with a private key: taken out of custody to be used, or a signature with it. */
export type KeyOperation = 'open' | 'sign'

/** What is told of the uses of keys. */
export interface KeyUseListener {
  used(kid: string, operation: KeyOperation): void
  /** A signature was made; how long it took, with what it waited for. */
  signed(kid: string, scheme: string, durationMs: number): void
}

/** Custody that tells of every use of a key. Whatever signs got its signer here, so no use is left out. */
export function countedCustody(custody: KeyCustody, listener: KeyUseListener): KeyCustody {
  return {
    ...custody,
    create: async (alg, purpose) => countedSigner(await custody.create(alg, purpose), listener),
    async open(kid) {
      const signer = await custody.open(kid)
      listener.used(kid, 'open')
      return countedSigner(signer, listener)
    },
    destroy: (kid) => custody.destroy(kid),
  }
}

function countedSigner(signer: Signer, listener: KeyUseListener): Signer {
  const { publicKey } = signer
  return {
    publicKey,
    async sign(message) {
      listener.used(publicKey.kid, 'sign')
      const startedMs = performance.now()
      const signature = await signer.sign(message)
      listener.signed(publicKey.kid, publicKey.alg, performance.now() - startedMs)
      return signature
    },
  }
}
