import {
  type Cursor,
  expectByte,
  peekByte,
  readBytes,
  readCount,
  readTextBytes,
  readU32,
  readUint,
  refusal,
} from './cbor.ts'
import type { Platform } from './platform.ts'

/** One hop of the chain, as the token says it. */
export interface ScriptHop {
  readonly sid: string
  readonly attLog: number
  readonly attIndex: number
  readonly log: number
  readonly index: number
}

/** The claims that a decision looks at. */
export interface ScriptClaims {
  readonly sub: string
  readonly aud: readonly string[]
  readonly exp: number
  readonly iat: number
  jkt: Uint8Array | undefined
  x5t: Uint8Array | undefined
  att: readonly [number, number] | undefined
  bev: number
  bld: Uint8Array | undefined
  chn: readonly ScriptHop[]
  req: Uint8Array | undefined
  oneTime: boolean
}

const serviceIdForm = /^spiffe:\/\/[a-z0-9._-]{1,255}(?:\/[a-zA-Z0-9._-]+)+$/
const trustDomainForm = /^spiffe:\/\/[a-z0-9._-]{1,255}$/
const dotSegment = /\/\.{1,2}(?:\/|$)/

function isServiceId(text: string): boolean {
  return serviceIdForm.test(text) && text.length <= 512 && (text.indexOf('/.') < 0 || !dotSegment.test(text))
}

/**
 * Reads the map of claims in the order that deterministic CBOR gives it, every rule as soon as its items are there: the same as the
 * verifier's `readClaimsMap`, which has the grammar.
 */
export function readClaims(cursor: Cursor, platform: Platform): ScriptClaims {
  let left = readCount(cursor, 0xa0, 5, 12) - 5
  expectByte(cursor, 0x02)
  const sub = readServiceId(cursor, platform)
  expectByte(cursor, 0x03)
  const aud = readAudience(cursor, platform)
  expectByte(cursor, 0x04)
  const exp = readUint(cursor, 0xffffffff)
  expectByte(cursor, 0x06)
  const iat = readUint(cursor, 0xffffffff)
  if (exp <= iat || exp - iat > 3600) throw refusal('malformed')
  expectByte(cursor, 0x07)
  readBytes(cursor, 16)
  const claims: ScriptClaims = {
    sub,
    aud,
    exp,
    iat,
    jkt: undefined,
    x5t: undefined,
    att: undefined,
    bev: 0,
    bld: undefined,
    chn: [],
    req: undefined,
    oneTime: false,
  }
  if (left > 0 && peekByte(cursor) === 0x08) {
    readConfirmation(cursor, platform, claims)
    left -= 1
  }
  checkAudience(claims)
  for (let last = 0; left > 0; left--) last = readNamed(cursor, platform, claims, last)
  return claims
}

function readNamed(cursor: Cursor, platform: Platform, claims: ScriptClaims, last: number): number {
  if (peekByte(cursor) !== 0x63) throw refusal('malformed')
  const key = readU32(cursor)
  if (key <= last) throw refusal('malformed')
  if (key === 0x63617474) claims.att = readAttestation(cursor)
  else if (key === 0x63626576) claims.bev = readUint(cursor, 3)
  else if (key === 0x63626c64) claims.bld = readBytes(cursor, 32)
  else if (key === 0x6363686e) claims.chn = readChain(cursor, platform)
  else if (key === 0x63726571) claims.req = readBytes(cursor, 32)
  else if (key === 0x63757365) {
    expectByte(cursor, 0x01)
    claims.oneTime = true
    if (claims.exp - claims.iat > 120 || claims.aud.length !== 1) throw refusal('malformed')
  } else throw refusal('malformed')
  return key
}

function readServiceId(cursor: Cursor, platform: Platform): string {
  const id = platform.ascii(readTextBytes(cursor, 512))
  if (!isServiceId(id)) throw refusal('malformed')
  return id
}

// One audience is a text, several are an array.
function readAudience(cursor: Cursor, platform: Platform): readonly string[] {
  if ((peekByte(cursor) & 0xe0) === 0x60) return [platform.ascii(readTextBytes(cursor, 512))]
  const count = readCount(cursor, 0x80, 2, 8)
  const audience: string[] = []
  for (let i = 0; i < count; i++) audience.push(platform.ascii(readTextBytes(cursor, 512)))
  return audience
}

function checkAudience(claims: ScriptClaims): void {
  const isBound = claims.jkt !== undefined || claims.x5t !== undefined
  for (let i = 0; i < claims.aud.length; i++) {
    const id = claims.aud[i] as string
    if (!isServiceId(id) && !(isBound && trustDomainForm.test(id))) throw refusal('malformed')
  }
}

function readConfirmation(cursor: Cursor, platform: Platform, claims: ScriptClaims): void {
  expectByte(cursor, 0x08)
  readCount(cursor, 0xa0, 1, 1)
  const name = platform.ascii(readTextBytes(cursor, 8))
  if (name === 'jkt') claims.jkt = readBytes(cursor, 32)
  else if (name === 'x5t#S256') claims.x5t = readBytes(cursor, 32)
  else throw refusal('malformed')
}

const indexMax = 281474976710655

function readAttestation(cursor: Cursor): readonly [number, number] {
  readCount(cursor, 0x80, 2, 2)
  const log = readUint(cursor, 0xffffffff)
  if (log === 0) throw refusal('malformed')
  return [log, readUint(cursor, indexMax)]
}

function readChain(cursor: Cursor, platform: Platform): readonly ScriptHop[] {
  const count = readCount(cursor, 0x80, 1, 8)
  const chain: ScriptHop[] = []
  for (let i = 0; i < count; i++) {
    readCount(cursor, 0x80, 5, 5)
    const sid = readServiceId(cursor, platform)
    const attLog = readUint(cursor, 0xffffffff)
    const attIndex = readUint(cursor, attLog === 0 ? 0 : indexMax)
    const log = readUint(cursor, 0xffffffff)
    if (log === 0) throw refusal('malformed')
    const index = readUint(cursor, indexMax)
    chain.push({ sid: sid, attLog: attLog, attIndex: attIndex, log: log, index: index })
  }
  return chain
}
