import { limits } from '@quantum-ip/base'
import type { AuthorityOptions } from '../authority-options.ts'
import type { IssuerOptions } from './issuer.ts'
import type { IssuanceRules } from './token-order.ts'

/** The rules of tokens that the options of an authority make. */
export function issuanceRulesOf(options: AuthorityOptions): IssuanceRules {
  return {
    td: options.trustDomain,
    ttlDefaultS: options.tokenTtlS ?? limits.tokenTtlDefaultS,
    oneTimeTtlDefaultS: options.oneTimeTtlS ?? 60,
    jwt: options.jwt ?? false,
  }
}

/** What the options of an authority say about its batches; what they do not say stays the issuer's default. */
export function batchSettingsOf(
  options: AuthorityOptions,
): Pick<IssuerOptions, 'onBatch' | 'patienceMs' | 'tokenCharsMax' | 'batchMax' | 'batchIntervalMs'> {
  const { patienceMs, tokenCharsMax, batchMax, batchIntervalMs } = options
  return {
    onBatch: (batch) => options.onBatch?.(batch),
    ...(patienceMs !== undefined && { patienceMs }),
    ...(tokenCharsMax !== undefined && { tokenCharsMax }),
    ...(batchMax !== undefined && { batchMax }),
    ...(batchIntervalMs !== undefined && { batchIntervalMs }),
  }
}
