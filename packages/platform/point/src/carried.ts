import { metadataNames, proofFieldName } from '@quantum-ip/token'

/** Names of the fields that a point itself reads and writes, lower case: it gives them to nobody else. */
export const reservedNames: readonly string[] = [
  metadataNames.token,
  metadataNames.head,
  metadataNames.status,
  proofFieldName,
  'tracestate',
  'traceparent',
]

/** What a request carries for a point. */
export interface Carried {
  readonly token: string | undefined
  /** Two are malformed, also two equal ones: which one somebody on the way looked at cannot be known. */
  readonly tokenCount: number
  readonly staple: string | undefined
  /** Proof that the caller has the key which its token is bound to. Two prove nothing. */
  readonly proof?: string | undefined
  readonly proofCount?: number | undefined
  readonly tracestate: string | undefined
  readonly traceparent: string | undefined
}

/** Reads the reserved fields of a request: flat, lower-case names. An inbound status is not read; it is worth nothing. */
export function readCarried(reserved: readonly string[]): Carried {
  let token: string | undefined
  let tokenCount = 0
  let staple: string | undefined
  let staples = 0
  let proof: string | undefined
  let proofCount = 0
  let tracestate: string | undefined
  let traceparent: string | undefined
  let traceparents = 0
  for (let i = 0; i < reserved.length; i += 2) {
    const value = reserved[i + 1] as string
    switch (reserved[i] ?? '') {
      case metadataNames.token:
        token = value
        tokenCount++
        break
      case metadataNames.head:
        staple = value
        staples++
        break
      case proofFieldName:
        proof = value
        proofCount++
        break
      case 'tracestate':
        tracestate = tracestate === undefined ? value : `${tracestate},${value}`
        break
      case 'traceparent':
        traceparent = value
        traceparents++
        break
    }
  }
  return {
    token: tokenCount === 1 ? token : undefined,
    tokenCount,
    // A staple only ever helps a token that holds without it: of two, none helps.
    staple: staples === 1 ? staple : undefined,
    proof: proofCount === 1 ? proof : undefined,
    proofCount,
    tracestate,
    traceparent: traceparents === 1 ? traceparent : undefined,
  }
}
