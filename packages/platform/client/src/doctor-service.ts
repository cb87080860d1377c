import type { ServiceId, TrustDomain } from '@quantum-ip/base'

/**
 * The service that `qip doctor` is, from and for which its tickets are. Only an operator can have it admitted: it has the role
 * `verifier`, which needs a join token, and no admission rule. It is the only one of that role that the authority gives tokens to.
 */
export function doctorService(td: TrustDomain): ServiceId {
  return `${td}/quantum-ip/doctor`
}
