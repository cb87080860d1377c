import {
  createTestDomain,
  type TestDomain,
  type TestToken,
} from '../../packages/core/verifier/test/fixture.ts'

/** A trust domain with service IDs of 40 characters, as the figures of tokens assume. */
export const domainName = 'spiffe://acme.example'
/** 40 characters. */
export const caller = `${domainName}/ns/prod/sa/checkout-app`.padEnd(40, 'x').slice(0, 40)
/** 40 characters. */
export const service = `${domainName}/ns/prod/sa/shop`.padEnd(40, 'y').slice(0, 40)

const batch = 1_024

/** Tokens as the figures assume them: a build, its binding, its attestation. */
export async function issueMany(
  domain: TestDomain,
  count: number,
  claims: { readonly oneTime?: boolean } = {},
): Promise<TestToken[]> {
  const tokens: TestToken[] = []
  while (tokens.length < count) {
    const size = Math.min(batch, count - tokens.length)
    const wanted = Array.from({ length: size }, () => ({
      sub: caller,
      aud: [service],
      bld: new Uint8Array(32).fill(7),
      bev: 1 as const,
      att: [1, 12_345] as const,
      ...(claims.oneTime === true && { use: 1 as const }),
    }))
    tokens.push(...(await domain.issue(wanted)))
  }
  return tokens
}

/** A new trust domain in memory. */
export function newDomain(): Promise<TestDomain> {
  return createTestDomain({ td: domainName })
}

/** A copy of a text that shares nothing with it: what arrives with each request. */
export function freshCopy(text: string): string {
  return Buffer.from(text, 'latin1').toString('latin1')
}
