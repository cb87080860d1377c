import type { ServiceId } from '@quantum-ip/base'
import type { TokenPool } from '@quantum-ip/client'
import type { ProofSigner } from '@quantum-ip/crypto'

/** A service that is called. */
export interface CalledService {
  /** What the tokens are for. */
  readonly audience: ServiceId
  /** Tokens for it: `openTokenPool` of `@quantum-ip/client`, many-use or one-time. */
  readonly tokens: Pick<TokenPool, 'take'> & Partial<Pick<TokenPool, 'discard'>>
  /** The key that the tokens are bound to: each request gets a proof of its own that the caller has it. Absent: none. */
  readonly signer?: ProofSigner
}

/** Services by where they are: `{ 'https://shop.example.com': { audience, tokens } }`. */
export type CalledServices = Readonly<Record<string, CalledService>>

/** Whether tokens may go over plain HTTP: to this machine only, or anywhere. */
export type PlainHttp = 'loopback' | 'anywhere'
