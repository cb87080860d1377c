import type { Platform } from './platform.ts'
import { asciiBytes } from './state.ts'

/** The request that a token may be bound to: byte for byte as it arrived. */
export interface ScriptRequest {
  readonly method: string
  /** `@authority` of RFC 9421: lower case, without the default port. */
  readonly authority: string
  readonly target: string
}

/**
 * Whether a token's `req` is of this request. Only bindings without the content can be checked here, and only to requests in
 * ASCII: runtimes do not agree on what other bytes become.
 */
export function isBoundToRequest(req: Uint8Array, request: ScriptRequest, platform: Platform): boolean {
  const texts = [request.method, request.authority, request.target]
  const charsMax = [64, 512, 65535]
  const parts: Uint8Array[] = [asciiBytes('quantum-ip/req/v1\u0000')]
  for (let i = 0; i < 3; i++) {
    const text = texts[i] as string
    if (!/^[\x21-\x7e]+$/.test(text) || text.length > (charsMax[i] as number)) return false
    const size = text.length
    parts.push(new Uint8Array([0, 0, size >>> 8, size & 255]))
    parts.push(asciiBytes(text))
  }
  parts.push(new Uint8Array([0]))
  return platform.hex(platform.sha256(parts)) === platform.hex(req)
}

/** `@authority` of RFC 9421, section 2.2.3, from a `Host` field. */
export function authorityOf(host: string, scheme: string): string {
  const lower = host.toLowerCase()
  const port = scheme === 'https' ? ':443' : ':80'
  return lower.endsWith(port) ? lower.slice(0, -port.length) : lower
}
