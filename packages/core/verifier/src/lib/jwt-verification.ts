import { isQipError } from '@quantum-ip/base'
import type { PublicKey } from '@quantum-ip/crypto'
import { type JwtToken, verifyJwtToken } from '@quantum-ip/token'
import type { VerifierObserver } from '../observer.ts'

/** Whether the signature of a JWT holds, found out on the thread pool and measured. */
export async function holdsJwt(
  token: JwtToken,
  key: PublicKey,
  { observer, stopwatch }: { readonly observer: VerifierObserver; readonly stopwatch: () => number },
): Promise<boolean> {
  const startedMs = stopwatch()
  try {
    await verifyJwtToken(token, key)
    return true
  } catch (error) {
    if (isQipError(error)) return false
    throw error
  } finally {
    observer.crypto('verify_jwt', key.alg, stopwatch() - startedMs)
  }
}
