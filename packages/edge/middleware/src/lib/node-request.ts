import type { IncomingMessage } from 'node:http'
import type { TLSSocket } from 'node:tls'
import type { RequestCoordinates } from '@quantum-ip/point'
import { fieldKind } from '@quantum-ip/token'
import type { CallToJudge, QuantumIp } from '../quantum-ip.ts'
import { nodeCertificate } from './client-certificate.ts'
import { readAheadOf } from './read-ahead.ts'
import { isReserved, replaceReserved, reservedFields } from './fields.ts'

/** What there is to judge of a request of `node:http` (or of the compatible ones of `node:http2`). */
export function readNodeRequest(
  request: IncomingMessage,
  quantumIp: Pick<QuantumIp, 'scheme' | 'certificates'>,
  target: string = request.url ?? '/',
): CallToJudge {
  const { headers, socket } = request
  const authority = String(headers.host ?? headers[':authority'] ?? '')
  const scheme = quantumIp.scheme ?? ((socket as TLSSocket | null)?.encrypted === true ? 'https' : 'http')
  return {
    at: coordinates({ method: request.method ?? 'GET', authority, scheme, target }),
    reserved: reservedFields(request.rawHeaders),
    certificate: nodeCertificate(request, quantumIp.certificates),
    body: readAheadOf(request),
  }
}

/** The coordinates of a request, host and path taken out of the rest. */
export function coordinates(
  parts: Pick<RequestCoordinates, 'method' | 'authority' | 'scheme' | 'target'>,
): RequestCoordinates {
  const { authority, target } = parts
  const query = target.indexOf('?')
  const host = authority.toLowerCase().replace(/:\d*$/, '')
  return { ...parts, host, path: query < 0 ? target : target.slice(0, query) }
}

/**
 * Handlers see what the point found, and nothing that the caller wrote in its place: no spelling of `Quantum-IP-Status`, no token to
 * hand on by mistake; trailers included. The body is not touched.
 */
export function replaceNodeFields(request: IncomingMessage, fields: readonly string[]): void {
  const { rawHeaders, headers } = request
  const before = rawHeaders.length
  // Both views are made from the raw fields when they are first read, by the number that there were at the beginning.
  const distinct = willDiffer(rawHeaders, fields) ? request.headersDistinct : undefined
  replaceReserved(rawHeaders, fields)
  for (const view of [headers, distinct]) {
    if (view === undefined) continue
    for (const name of Object.keys(view)) if (isReserved(name)) delete view[name]
  }
  for (let i = 0; i < fields.length; i += 2) {
    const [name, value] = [fields[i] as string, fields[i + 1] as string]
    headers[name] = value
    if (distinct !== undefined) distinct[name] = [value]
  }
  if (before > 0 && headers['transfer-encoding'] !== undefined) request.once('end', stripTrailers)
}

function willDiffer(rawHeaders: readonly string[], fields: readonly string[]): boolean {
  let reserved = 0
  for (let i = 0; i < rawHeaders.length; i += 2) if (isReserved(rawHeaders[i] as string)) reserved += 2
  return reserved !== fields.length
}

function stripTrailers(this: IncomingMessage): void {
  const { rawTrailers } = this
  if (!rawTrailers.some((name, i) => i % 2 === 0 && fieldKind(name) !== undefined)) return
  for (const view of [this.trailers, this.trailersDistinct]) {
    for (const name of Object.keys(view)) if (fieldKind(name) !== undefined) delete view[name]
  }
  for (let i = rawTrailers.length - 2; i >= 0; i -= 2) {
    if (fieldKind(rawTrailers[i] as string) !== undefined) rawTrailers.splice(i, 2)
  }
}
