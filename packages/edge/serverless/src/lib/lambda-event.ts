import { X509Certificate } from 'node:crypto'
import { coordinates } from '@quantum-ip/middleware/adapter'
import { type ClientCertificate, certificateOf, type RequestCoordinates } from '@quantum-ip/point'
import { ServerlessError } from '../serverless-errors.ts'

/** The shapes of HTTP requests that Lambda hands to functions. */
export type EventKind =
  /** API Gateway, REST API, and HTTP API with payload format 1.0. */
  | 'rest'
  /** API Gateway, HTTP API with payload format 2.0, and function URLs. */
  | 'http'
  /** Application Load Balancer. */
  | 'alb'
  /** The same, of a target group with multi-value headers. */
  | 'alb-multi'

/** A value of each name, or all of them. Whoever may invoke the function may write anything here. */
type Values = Readonly<Record<string, unknown>> | null | undefined

/** What is read of an event, whichever kind it is. */
export interface LambdaEvent {
  readonly version?: string
  readonly httpMethod?: string
  readonly path?: string
  readonly rawPath?: string
  readonly rawQueryString?: string
  headers?: Values
  multiValueHeaders?: Values
  readonly queryStringParameters?: Values
  readonly multiValueQueryStringParameters?: Values
  readonly requestContext?: {
    readonly path?: string
    readonly elb?: object
    readonly http?: { readonly method?: string }
    readonly identity?: { readonly clientCert?: ClientCert | null }
    readonly authentication?: { readonly clientCert?: ClientCert | null } | null
  }
}

interface ClientCert {
  readonly clientCertPem?: string
}

/** An event as a request. */
export interface LambdaRequest {
  readonly kind: EventKind
  readonly at: RequestCoordinates
  /** Header fields, flat: each as often as it was sent, as far as the event says. */
  readonly fields: readonly string[]
  readonly certificate: ClientCertificate | undefined
}

/**
 * Reads an event.
 *
 * @throws {ServerlessError} `QIP_SERVERLESS_EVENT_UNKNOWN` for what is no HTTP request
 */
export function readLambdaEvent(event: LambdaEvent): LambdaRequest {
  const kind = kindOf(event)
  const fields = fieldsOf(event, kind)
  const authority = valueOf(fields, 'host') ?? ''
  const { method, target, path } = placeOf(event, kind)
  const at = { ...coordinates({ method, authority, scheme: 'https', target }), path }
  return { kind, at, fields, certificate: certificateIn(event) }
}

function kindOf(event: unknown): EventKind {
  if (isObject(event)) {
    const { requestContext, version, httpMethod } = event as LambdaEvent
    if (isObject(requestContext)) {
      if (typeof requestContext.http?.method === 'string' && version === '2.0') return 'http'
      if (typeof httpMethod === 'string') {
        if (!isObject(requestContext.elb)) return 'rest'
        return isObject((event as LambdaEvent).multiValueHeaders) ? 'alb-multi' : 'alb'
      }
    }
  }
  const keys = isObject(event) ? Object.keys(event).slice(0, 8) : []
  throw new ServerlessError('QIP_SERVERLESS_EVENT_UNKNOWN', { keys })
}

// Where both are there, `headers` has the last of several values: the others are in `multiValueHeaders` alone.
function fieldsOf({ headers, multiValueHeaders }: LambdaEvent, kind: EventKind): string[] {
  const fields: string[] = []
  const seen = new Set<string>()
  for (const [name, values] of Object.entries(multiValueHeaders ?? {})) {
    seen.add(name.toLowerCase())
    for (const value of [values].flat()) fields.push(name, textOf(value))
  }
  for (const [name, value] of Object.entries(headers ?? {})) {
    if (value === undefined || value === null || seen.has(name.toLowerCase())) continue
    const text = textOf(value)
    // Equal fields have been joined already. No field of ours but `tracestate` has a comma: more than one part is more than one field.
    const isWhole = kind !== 'http' || name.toLowerCase() === 'tracestate'
    for (const part of isWhole ? [text] : text.split(',')) fields.push(name, part.trim())
  }
  return fields
}

function placeOf(event: LambdaEvent, kind: EventKind): { method: string; target: string; path: string } {
  if (kind === 'http') {
    const { requestContext, rawPath = '/', rawQueryString = '' } = event
    const target = rawQueryString === '' ? rawPath : `${rawPath}?${rawQueryString}`
    return { method: requestContext?.http?.method ?? '', target, path: rawPath }
  }
  const { httpMethod: method = '', path = '/' } = event
  // A REST API shows functions the path without its stage. Callers write the whole, and bind their tokens to it.
  const sent = kind === 'rest' ? (event.requestContext?.path ?? path) : path
  const query = queryOf(event, kind === 'rest')
  return { method, target: query === '' ? sent : `${sent}?${query}`, path }
}

// A load balancer hands parameters on as they were written, a REST API decoded: those that were not written in the usual way are lost.
function queryOf(event: LambdaEvent, isDecoded: boolean): string {
  const { multiValueQueryStringParameters: all, queryStringParameters: last } = event
  const write = (text: string): string => (isDecoded ? encodeURIComponent(text) : text)
  return Object.entries(all ?? last ?? {})
    .flatMap(([name, values]) => [values].flat().map((value) => `${write(name)}=${write(textOf(value))}`))
    .join('&')
}

function valueOf(fields: readonly string[], name: string): string | undefined {
  for (let i = 0; i < fields.length; i += 2) if (fields[i]?.toLowerCase() === name) return fields[i + 1]
  return undefined
}

// Of mutual TLS, which API Gateway has verified: it alone writes this part of the event.
function certificateIn({ requestContext }: LambdaEvent): ClientCertificate | undefined {
  const { identity, authentication } = requestContext ?? {}
  const pem = (authentication?.clientCert ?? identity?.clientCert)?.clientCertPem
  if (typeof pem !== 'string' || pem === '') return undefined
  try {
    return certificateOf(new X509Certificate(pem), true)
  } catch {
    return undefined
  }
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : (JSON.stringify(value) ?? '')
}
