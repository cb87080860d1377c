import { isServiceId, limits } from '@quantum-ip/base'
import { isAudience, isLifetime, logNumberMax } from '../claims-rules.ts'
import type { Claims, Confirmation, Hop } from '../claims.ts'
import type { CborReader } from './cbor-reader.ts'
import { refusals } from './refusals.ts'

/*
 * The claims of version 1, in CDDL (RFC 8610); entries stand in the order of their encoded keys:
 *
 *   claims = {
 *     2 => sid,                       ; sub            (labels of RFC 8392)
 *     3 => sid / [2*8 sid],           ; aud: one as text, several as an array; with cnf also spiffe://<domain>
 *     4 => u32,                       ; exp
 *     6 => u32,                       ; iat
 *     7 => bytes .size 16,            ; jti
 *     ? 8 => { "jkt" => digest // "x5t#S256" => digest },     ; cnf
 *     ? "att" => [n, index],
 *     ? "bev" => 0..3,
 *     ? "bld" => digest,
 *     ? "chn" => [1*8 [sid, n-or-none, index, n, index]],
 *     ? "req" => digest,
 *     ? "use" => 1
 *   }
 *   sid = text .size (1..512)   digest = bytes .size 32   n = 1..4294967295   n-or-none = 0 / n   index = 0..281474976710655
 *
 * cnf is a confirmation map in the manner of RFC 8747. Neither member has an integer label in the registry of
 * CWT confirmation methods, and a private one (below -65536) would be five bytes that nobody can look
 * up: so the names of the JWT registry stand as text (4 and 9 bytes), and both encodings say the same word.
 */

/** Keys of three letters with their head, as one u32: order and duplicates are one comparison. */
export const keys = {
  att: 0x63617474,
  bev: 0x63626576,
  bld: 0x63626c64,
  chn: 0x6363686e,
  req: 0x63726571,
  use: 0x63757365,
} as const

type Writable<T> = { -readonly [Member in keyof T]: T[Member] }

/**
 * Reads the map of claims. Every rule is checked as soon as the items that it is about are there, so that
 * a truncated token whose beginning breaks a rule is malformed.
 *
 * @throws {TokenRefusal}
 */
export function readClaimsMap(reader: CborReader): Claims {
  const count = reader.map(5, 12)
  reader.expect(0x02, refusals.missingClaim)
  const sub = readServiceId(reader)
  reader.expect(0x03, refusals.missingClaim)
  const aud = readAudience(reader)
  reader.expect(0x04, refusals.missingClaim)
  const exp = reader.uint(0xffff_ffff)
  reader.expect(0x06, refusals.missingClaim)
  const iat = reader.uint(0xffff_ffff)
  if (!isLifetime(iat, exp, undefined)) throw refusals.lifetime
  reader.expect(0x07, refusals.missingClaim)
  const jti = reader.bytes(16, 16)
  const claims: Writable<Claims> = { sub, aud, exp, iat, jti }
  let left = count - 5
  if (left > 0 && reader.peek() === 0x08) {
    claims.cnf = readConfirmation(reader)
    left--
  }
  if (!isAudience(claims)) throw refusals.audience
  for (let last = 0; left > 0; left--) last = readNamed(reader, claims, last)
  return claims
}

function readNamed(reader: CborReader, claims: Writable<Claims>, last: number): number {
  // A key of another shape than 63 and three letters is no claim, whatever its order.
  if (reader.peek() !== 0x63) throw refusals.unknownClaim
  const key = reader.u32()
  if (key <= last) throw refusals.keyOrder
  switch (key) {
    case keys.att:
      claims.att = readAttestation(reader)
      break
    case keys.bev:
      claims.bev = reader.uint(3) as 0 | 1 | 2 | 3
      break
    case keys.bld:
      claims.bld = reader.bytes(32, 32)
      break
    case keys.chn:
      claims.chn = readChain(reader)
      break
    case keys.req:
      claims.req = reader.bytes(32, 32)
      break
    case keys.use:
      reader.expect(0x01, refusals.range)
      claims.use = 1
      if (!isLifetime(claims.iat, claims.exp, 1)) throw refusals.lifetime
      if (claims.aud.length !== 1) throw refusals.audience
      break
    default:
      throw refusals.unknownClaim
  }
  return key
}

function readServiceId(reader: CborReader): string {
  const id = reader.text(limits.serviceIdBytesMax)
  if (!isServiceId(id)) throw refusals.serviceId
  return id
}

// One audience is a text, several are an array: the form of each number of audiences is fixed.
function readAudience(reader: CborReader): readonly string[] {
  if ((reader.peek() & 0xe0) === 0x60) return [reader.text(limits.serviceIdBytesMax)]
  const count = reader.array(2, limits.audienceMax)
  const audience: string[] = []
  for (let i = 0; i < count; i++) audience.push(reader.text(limits.serviceIdBytesMax))
  return audience
}

function readConfirmation(reader: CborReader): Confirmation {
  reader.expect(0x08, refusals.unknownClaim)
  reader.map(1, 1)
  const name = reader.text(8)
  if (name === 'jkt') return { jkt: reader.bytes(32, 32) }
  if (name === 'x5t#S256') return { x5tS256: reader.bytes(32, 32) }
  throw refusals.unknownClaim
}

function readAttestation(reader: CborReader): readonly [number, number] {
  reader.array(2, 2)
  const log = reader.uint(logNumberMax)
  if (log === 0) throw refusals.range
  return [log, reader.uint(limits.logIndexEnd - 1)]
}

function readChain(reader: CborReader): readonly Hop[] {
  const count = reader.array(1, limits.chainHopsMax)
  const chain: Hop[] = []
  for (let i = 0; i < count; i++) chain.push(readHop(reader))
  return chain
}

function readHop(reader: CborReader): Hop {
  reader.array(5, 5)
  const sid = readServiceId(reader)
  const attLog = reader.uint(logNumberMax)
  const attIndex = reader.uint(attLog === 0 ? 0 : limits.logIndexEnd - 1)
  const log = reader.uint(logNumberMax)
  if (log === 0) throw refusals.range
  const index = reader.uint(limits.logIndexEnd - 1)
  return { sid, attLog, attIndex, log, index }
}
