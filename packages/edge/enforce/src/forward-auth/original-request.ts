import type { RequestCoordinates } from '@quantum-ip/point'
import type { RequestHead } from '../gateway/request-head.ts'
import { type QuestionRefusal, type ToldRequest, readCoordinates } from '../question/read-coordinates.ts'

/** How a proxy tells of the request that it asks about: the first part of the path of its question. */
export type ForwardContract = 'original' | 'forwarded' | 'envoy'

/** The original request, with the query that `path` lacks. */
export interface OriginalRequest extends RequestCoordinates {
  readonly contract: ForwardContract
  readonly query: string
}

// The four fields of a contract. The proxy must set all of them: one that it left to its client would be the client's word.
const contractFields: { readonly [contract in Exclude<ForwardContract, 'envoy'>]: ToldRequest } = {
  original: {
    method: 'x-original-method',
    target: 'x-original-uri',
    host: 'x-original-host',
    scheme: 'x-original-proto',
  },
  forwarded: {
    method: 'x-forwarded-method',
    target: 'x-forwarded-uri',
    host: 'x-forwarded-host',
    scheme: 'x-forwarded-proto',
  },
}

/** Where each contract is asked. What proxies append behind `/envoy` is the original target. */
const places: { readonly [path: string]: Exclude<ForwardContract, 'envoy'> } = {
  '/original': 'original',
  '/forwarded': 'forwarded',
}
const envoyPrefix = '/envoy'

/**
 * Reads the request that a proxy asks about.
 *
 * Which fields are believed is said by the path of the question, which the configuration of the proxy says and its clients can't: a
 * client's `X-Forwarded-Uri` means nothing where nginx writes `X-Original-URI`. Each field must be there exactly once. What has two
 * readings is refused as at the gateway.
 */
export function readOriginal(head: RequestHead, exactPaths: boolean): OriginalRequest | QuestionRefusal {
  const { target } = head
  if (target.startsWith(`${envoyPrefix}/`)) return readEnvoy(head, exactPaths)
  const mark = target.indexOf('?')
  const contract = places[mark < 0 ? target : target.slice(0, mark)]
  if (contract === undefined) return { refused: 'no_route', detail: 'no contract is asked at this path' }
  const fields = readFields(head.raw, contractFields[contract])
  if (fields === undefined)
    return { refused: 'request_malformed', detail: 'the original request is not told' }
  return build(contract, fields, exactPaths)
}

// Envoy puts its prefix before the path as it came, and keeps method and host.
function readEnvoy(head: RequestHead, exactPaths: boolean): OriginalRequest | QuestionRefusal {
  const scheme = single(head.raw, 'x-forwarded-proto')
  if (scheme === undefined)
    return { refused: 'request_malformed', detail: 'the original request is not told' }
  const target = head.target.slice(envoyPrefix.length)
  return build('envoy', { method: head.method, target, host: head.authority, scheme }, exactPaths)
}

function build(
  contract: ForwardContract,
  told: ToldRequest,
  exactPaths: boolean,
): OriginalRequest | QuestionRefusal {
  const at = readCoordinates(told, exactPaths)
  return 'refused' in at ? at : { contract, ...at }
}

function readFields(raw: readonly string[], names: ToldRequest): ToldRequest | undefined {
  const method = single(raw, names.method)
  const target = single(raw, names.target)
  const host = single(raw, names.host)
  const scheme = single(raw, names.scheme)
  if (method === undefined || target === undefined || host === undefined || scheme === undefined)
    return undefined
  return { method, target, host, scheme }
}

// The value of a field that is there once; two of them are none.
function single(raw: readonly string[], name: string): string | undefined {
  let value: string | undefined
  for (let i = 0; i < raw.length; i += 2) {
    const each = raw[i] as string
    if (each.length !== name.length || each.toLowerCase() !== name) continue
    if (value !== undefined) return undefined
    value = raw[i + 1]
  }
  return value
}
