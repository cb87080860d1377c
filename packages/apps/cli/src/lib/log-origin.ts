import { trustDomainName } from '@quantum-ip/base'
import { requestObject, type Requester } from '@quantum-ip/client'

/** The origin of a log by its short or its whole name. */
export async function originOf(requester: Requester, name: string): Promise<string> {
  if (/^[^/]+\/(?:tokens|attestations)\/\d+$/.test(name)) return name
  const request = { operation: 'discovery', method: 'GET', target: '/.well-known/quantum-ip' } as const
  const domain = (await requestObject(requester, request)).text('trustDomain')
  return `${trustDomainName(domain)}/${name}`
}
