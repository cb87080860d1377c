import { judgeToken, type ScriptVerdict } from './judge.ts'
import { outcomeOf, type ScriptMode, statusField } from './outcome.ts'
import type { Platform } from './platform.ts'
import { authorityOf } from './request-binding.ts'
import { withoutHint } from './stripped.ts'

/** What nginx's JavaScript module hands to a function of `js_set`. */
interface NginxRequest {
  readonly headersIn: { readonly [name: string]: string | undefined }
  readonly variables: { [name: string]: string | undefined }
  error(text: string): void
}

interface Hash {
  update(bytes: Uint8Array): Hash
  digest(): Uint8Array
}

interface ByteString extends Uint8Array {
  toString(encoding?: string): string
}

interface NginxModules {
  (name: 'crypto'): { createHash(name: string): Hash }
  (name: 'fs'): { readFileSync(path: string, encoding: string): string }
}

declare const require: NginxModules
declare const Buffer: {
  from(data: string | ArrayBufferLike, encoding?: string | number, length?: number): ByteString
}

function textOf(bytes: Uint8Array, encoding: string): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString(encoding)
}

function readPart(directory: string, name: string): string | undefined {
  const fs = require('fs')
  try {
    return fs.readFileSync(directory + '/' + name, 'utf8')
  } catch (error) {
    if ((error as { readonly code?: string }).code === 'ENOENT') return undefined
    throw error
  }
}

function nginxPlatform(directory: string): Platform {
  const crypto = require('crypto')
  return {
    sha256: (parts) => {
      const hash = crypto.createHash('sha256')
      for (let i = 0; i < parts.length; i++) hash.update(parts[i] as Uint8Array)
      return hash.digest()
    },
    decode: (text) => Buffer.from(text, 'base64url'),
    encode: (bytes) => textOf(bytes, 'base64url'),
    ascii: (bytes) => textOf(bytes, 'utf8'),
    hex: (bytes) => textOf(bytes, 'hex'),
    read: (name) => readPart(directory, name),
  }
}

function certificateOf(r: NginxRequest, platform: Platform): Uint8Array | undefined {
  const pem = r.variables['ssl_client_verify'] === 'SUCCESS' ? r.variables['ssl_client_raw_cert'] : undefined
  if (pem === undefined) return undefined
  const body = pem.replace(/-----[A-Z ]+-----/g, '').replace(/\s+/g, '')
  return platform.sha256([Buffer.from(body, 'base64')])
}

function judgeRequest(r: NginxRequest, platform: Platform): ScriptVerdict {
  const variables = r.variables
  return judgeToken(
    {
      token: r.headersIn['Quantum-IP'],
      tracestate: r.headersIn['tracestate'],
      audience: variables['quantum_ip_service'] || '',
      nowMs: Date.now(),
      request: {
        method: variables['request_method'] || '',
        authority: authorityOf(variables['http_host'] || '', variables['scheme'] || ''),
        target: variables['request_uri'] || '',
      },
      certificate: certificateOf(r, platform),
    },
    platform,
  )
}

/**
 * For `js_set $quantum_ip`: `allow`, `ask`, `refuse` or `unavailable`. Also sets `$quantum_ip_status`, `$quantum_ip_reason`,
 * `$quantum_ip_subject` and `$quantum_ip_tracestate`, which are there once `$quantum_ip` was asked for. An error in here leaves
 * `$quantum_ip` empty, which the configuration takes for a refusal.
 */
export function decide(r: NginxRequest): string {
  const variables = r.variables
  const platform = nginxPlatform(variables['quantum_ip_state'] || '/run/quantum-ip')
  const mode: ScriptMode = variables['quantum_ip_mode'] === 'monitor' ? 'monitor' : 'enforce'
  const verdict = judgeRequest(r, platform)
  const acceptsShallow = variables['quantum_ip_shallow'] === 'allow'
  const outcome = outcomeOf(verdict, { mode: mode, canAsk: true, acceptsShallow: acceptsShallow })
  if (verdict.fault !== undefined) r.error('quantum-ip: ' + verdict.fault)
  variables['quantum_ip_reason'] = verdict.reason
  variables['quantum_ip_status'] = statusField(verdict, outcome, mode, platform)
  variables['quantum_ip_subject'] = verdict.claims === undefined ? '' : verdict.claims.sub
  variables['quantum_ip_tracestate'] = withoutHint(r.headersIn['tracestate'] || '')
  return outcome
}
