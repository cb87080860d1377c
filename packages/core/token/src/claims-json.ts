import { base64url, isServiceId, type Json, type JsonObject, parseBase64url } from '@quantum-ip/base'
import { checkClaims } from './claims-rules.ts'
import type { BindingEvidence, Claims, Confirmation, Hop } from './claims.ts'
import { TokenError } from './token-errors.ts'

/**
 * `claims` by their JSON names: byte strings in base64url, one audience as a string, several as an
 * array, a hop as `[sid, att n, att index, log n, index]`.
 *
 * **It holds `jti`, the bearer secret.** For the payload of a JWT and the authority's reply to a reference token.
 *
 * @throws {TokenError} `QIP_TOKEN_CLAIMS_INVALID` for claims that no token may have.
 */
export function claimsToJson(claims: Claims): JsonObject {
  checkClaims(claims)
  const { sub, aud, exp, iat, jti, cnf, bld, bev, att, use, chn, req } = claims
  const json: JsonObject = {
    sub,
    aud: aud.length === 1 ? (aud[0] as string) : [...aud],
    exp,
    iat,
    jti: base64url(jti),
  }
  if (cnf !== undefined) {
    json['cnf'] = cnf.jkt === undefined ? { 'x5t#S256': base64url(cnf.x5tS256) } : { jkt: base64url(cnf.jkt) }
  }
  if (bld !== undefined) json['bld'] = base64url(bld)
  if (bev !== undefined) json['bev'] = bev
  if (att !== undefined) json['att'] = [...att]
  if (use !== undefined) json['use'] = use
  if (chn !== undefined)
    json['chn'] = chn.map((hop) => [hop.sid, hop.attLog, hop.attIndex, hop.log, hop.index])
  if (req !== undefined) json['req'] = base64url(req)
  return json
}

const names: ReadonlySet<string> = new Set('sub aud exp iat jti cnf bld bev att use chn req'.split(' '))

/**
 * Parses claims by their JSON names, strictly: no other member, no other spelling, every rule of {@link Claims}.
 *
 * @throws {TokenError} `QIP_TOKEN_CLAIMS_INVALID` with the claim that is wrong; for a member that is no claim, `claim` is `(unknown)`.
 */
export function parseClaimsJson(json: Json): Claims {
  if (!isObject(json)) throw invalid('(all)', 'must be an object')
  // An unknown name is not repeated: whoever wrote it may have put a secret there.
  for (const name of Object.keys(json))
    if (!names.has(name)) throw invalid('(unknown)', 'version 1 has no such claim')
  const claims = {
    sub: text(json, 'sub'),
    aud: audience(json['aud']),
    exp: number(json, 'exp'),
    iat: number(json, 'iat'),
    jti: bytes(json['jti'], 'jti'),
    ...(json['cnf'] !== undefined && { cnf: confirmation(json['cnf']) }),
    ...(json['bld'] !== undefined && { bld: bytes(json['bld'], 'bld') }),
    ...(json['bev'] !== undefined && { bev: number(json, 'bev') as BindingEvidence }),
    ...(json['att'] !== undefined && { att: attestation(json['att']) }),
    ...(json['use'] !== undefined && { use: number(json, 'use') as 1 }),
    ...(json['chn'] !== undefined && { chn: chain(json['chn']) }),
    ...(json['req'] !== undefined && { req: bytes(json['req'], 'req') }),
  }
  return checkClaims(claims)
}

function invalid(claim: string, reason: string): TokenError {
  return new TokenError('QIP_TOKEN_CLAIMS_INVALID', { claim, reason })
}

function isObject(json: Json | undefined): json is JsonObject {
  return typeof json === 'object' && json !== null && !Array.isArray(json)
}

function text(json: JsonObject, claim: string): string {
  const value = json[claim]
  if (typeof value !== 'string') throw invalid(claim, 'must be a string')
  return value
}

function number(json: JsonObject, claim: string): number {
  const value = json[claim]
  if (typeof value !== 'number') throw invalid(claim, 'must be a number')
  return value
}

function bytes(value: Json | undefined, claim: string): Uint8Array {
  if (typeof value !== 'string') throw invalid(claim, 'must be base64url')
  try {
    return Uint8Array.from(parseBase64url(value))
  } catch {
    throw invalid(claim, 'must be base64url')
  }
}

function audience(value: Json | undefined): readonly string[] {
  if (typeof value === 'string') return [value]
  if (Array.isArray(value) && value.length > 1 && value.every((id) => typeof id === 'string')) return value
  throw invalid('aud', 'must be a string, or an array of several')
}

function confirmation(value: Json): Confirmation {
  if (!isObject(value) || Object.keys(value).length !== 1)
    throw invalid('cnf', 'must be an object with one member')
  if (value['jkt'] !== undefined) return { jkt: bytes(value['jkt'], 'cnf') }
  return { x5tS256: bytes(value['x5t#S256'], 'cnf') }
}

function attestation(value: Json): readonly [number, number] {
  if (Array.isArray(value) && value.length === 2) {
    const [log, index] = value
    if (typeof log === 'number' && typeof index === 'number') return [log, index]
  }
  throw invalid('att', 'must be a log number and an index')
}

function chain(value: Json): readonly Hop[] {
  if (!Array.isArray(value)) throw invalid('chn', 'must be an array of hops')
  return value.map((hop) => {
    if (!Array.isArray(hop) || hop.length !== 5) throw invalid('chn', 'a hop has five items')
    const [sid, ...numbers] = hop
    if (typeof sid !== 'string' || !isServiceId(sid) || !numbers.every((item) => typeof item === 'number')) {
      throw invalid('chn', 'a hop is a service ID and four numbers')
    }
    const [attLog, attIndex, log, index] = numbers as [number, number, number, number]
    return { sid, attLog, attIndex, log, index }
  })
}
