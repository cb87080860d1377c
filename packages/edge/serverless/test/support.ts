import { openTransport, requestObject } from '@quantum-ip/client'
import { pinsOf } from '@quantum-ip/trust'
import {
  mirrorOf,
  running,
  type Running,
  type RunningMirror,
} from '../../../platform/authority/test/mirror-support.ts'
import { issue, shop, td } from '../../../platform/authority/test/support.ts'
import type { HeldTrustOptions } from '../src/index.ts'

export { shop, td }
export const caller = `${td}/ns/prod/sa/checkout`

/** A real authority with a real mirror over HTTP. */
export interface Domain extends AsyncDisposable {
  readonly of: Running
  readonly mirror: RunningMirror
  /** For a point: this mirror, these roots. */
  readonly trust: HeldTrustOptions
  token(input?: Parameters<typeof issue>[1], sid?: string): Promise<string>
  revoke(identity: string): Promise<void>
}

export async function openDomain(): Promise<Domain> {
  const of = await running()
  const mirror = await mirrorOf(of, of.url.replace(/^http.*/, `unix:${of.socket}`))
  const { thumbprints } = pinsOf(of.authority.root)
  return {
    of,
    mirror,
    trust: { trustDomain: td, rootThumbprints: thumbprints, mirrors: [{ url: mirror.url }] },
    async token(input = {}, sid = caller) {
      const { tokens } = await issue(of.authority, { audience: shop, ...input }, sid)
      return tokens[0] as string
    },
    async revoke(value) {
      await using admin = openTransport({ url: `unix:${of.socket}` })
      const request = { operation: 'a revocation', method: 'POST', target: '/v1/revocations' } as const
      await requestObject(admin, { ...request, json: { kind: 'identity', value, reason: 'a test' } })
    },
    async [Symbol.asyncDispose]() {
      await mirror.close()
      await of[Symbol.asyncDispose]()
    },
  }
}

type Fields = readonly (readonly [string, string])[]

/** A request as HTTP API (payload 2.0) and function URLs hand it over. */
export function httpEvent(fields: Fields, path = '/cart', query = 'x=1') {
  const headers: Record<string, string> = { host: 'shop.acme.example' }
  for (const [name, value] of fields) {
    const key = name.toLowerCase()
    headers[key] = headers[key] === undefined ? value : `${headers[key]},${value}`
  }
  return {
    version: '2.0',
    routeKey: '$default',
    rawPath: path,
    rawQueryString: query,
    headers,
    requestContext: {
      http: { method: 'GET', path, protocol: 'HTTP/1.1', sourceIp: '192.0.2.1', userAgent: 'test' },
      requestId: 'id',
      stage: '$default',
    },
    isBase64Encoded: false,
  }
}
