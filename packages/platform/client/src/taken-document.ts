import type { HeadRecord, RevocationRecord } from '@quantum-ip/trust'

/** What a trust store took, as it came: verified and new. For whoever hands it on. */
export type TakenDocument =
  | { readonly kind: 'root'; readonly sequence: number; readonly envelope: Uint8Array | string }
  | { readonly kind: 'bundle'; readonly envelope: Uint8Array | string }
  /** A state, and what lies between the one before and it. */
  | {
      readonly kind: 'state'
      readonly envelope: Uint8Array | string
      readonly revocations: readonly RevocationRecord[]
      /** The heads listed after the state before, up to and with this one's; `undefined` where some are not known. */
      readonly heads: readonly HeadRecord[] | undefined
    }
  /** A state in the past that everything begins anew with; the state that follows has the heads since. */
  | {
      readonly kind: 'base'
      readonly envelope: Uint8Array | string
      readonly revocations: readonly RevocationRecord[]
    }
