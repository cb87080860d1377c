import type { RequestCoordinates } from '@quantum-ip/point'
import type { RelayProblem } from '../gateway/problem.ts'
import type { RequestHead } from '../gateway/request-head.ts'
import { type RequestTarget, readAuthority, readTarget } from '../gateway/target.ts'

/** How a proxy tells of the request that it asks about: the first part of the path of its question. */
export type ForwardContract = 'original' | 'forwarded' | 'envoy'

/** The original request, with the query that `path` lacks. */
export interface OriginalRequest extends RequestCoordinates {
  readonly contract: ForwardContract
  readonly query: string
}

/** Why a question can't be answered: the problem, and a detail out of a closed set. */
export interface QuestionRefusal {
  readonly refused: RelayProblem
  readonly detail?: string
}

interface FieldNames {
  readonly method: string
  readonly target: string
  readonly host: string
  readonly scheme: string
}

// The four fields of a contract. The proxy must set all of them: one that it left to its client would be the client's word.
const contractFields: { readonly [contract in Exclude<ForwardContract, 'envoy'>]: FieldNames } = {
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
  told: FieldNames,
  exactPaths: boolean,
): OriginalRequest | QuestionRefusal {
  const { method, target, host: authority, scheme } = told
  if (!methodForm.test(method) || method === 'CONNECT' || method === 'TRACE')
    return { refused: 'method_refused' }
  const read: RequestTarget | QuestionRefusal = readTarget(target, exactPaths)
  if ('refused' in read) return read
  const parts = readAuthority(authority)
  // A target in absolute form names its host: of two that differ, an upstream may take the other one.
  if (parts === undefined || (read.authority !== undefined && read.authority !== authority))
    return { refused: 'host_malformed' }
  if (scheme !== 'http' && scheme !== 'https') return { refused: 'request_malformed', detail: 'no scheme' }
  const { path, query } = read
  return { contract, method, authority, scheme, target, host: parts.host, path, query }
}

const methodForm = /^[A-Z][A-Z0-9_-]{0,31}$/

function readFields(raw: readonly string[], names: FieldNames): FieldNames | undefined {
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
