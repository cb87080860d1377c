import type { Claims, Confirmation, Hop } from '../claims.ts'
import * as write from './cbor-writer.ts'
import { keys } from './claims-reader.ts'

/** Writes claims that passed their checks; the layout stands above `readClaimsMap`. */
export function writeClaimsMap(claims: Claims): void {
  const { cnf, att, bev, bld, chn, req, use } = claims
  write.writeHead(
    0xa0,
    5 +
      present(cnf) +
      present(att) +
      present(bev) +
      present(bld) +
      present(chn) +
      present(req) +
      present(use),
  )
  write.writeByte(0x02)
  write.writeText(claims.sub)
  write.writeByte(0x03)
  writeAudience(claims.aud)
  write.writeByte(0x04)
  write.writeUint(claims.exp)
  write.writeByte(0x06)
  write.writeUint(claims.iat)
  write.writeByte(0x07)
  write.writeBytes(claims.jti)
  if (cnf !== undefined) writeConfirmation(cnf)
  if (att !== undefined) {
    write.writeU32(keys.att)
    write.writeByte(0x82)
    write.writeUint(att[0])
    write.writeUint(att[1])
  }
  if (bev !== undefined) {
    write.writeU32(keys.bev)
    write.writeByte(bev)
  }
  if (bld !== undefined) {
    write.writeU32(keys.bld)
    write.writeBytes(bld)
  }
  if (chn !== undefined) writeChain(chn)
  if (req !== undefined) {
    write.writeU32(keys.req)
    write.writeBytes(req)
  }
  if (use !== undefined) {
    write.writeU32(keys.use)
    write.writeByte(0x01)
  }
}

function present(value: unknown): number {
  return value === undefined ? 0 : 1
}

function writeAudience(audience: readonly string[]): void {
  if (audience.length !== 1) write.writeHead(0x80, audience.length)
  for (const id of audience) write.writeText(id)
}

function writeConfirmation(cnf: Confirmation): void {
  write.writeByte(0x08)
  write.writeByte(0xa1)
  write.writeText(cnf.jkt === undefined ? 'x5t#S256' : 'jkt')
  write.writeBytes(cnf.jkt ?? cnf.x5tS256)
}

function writeChain(chain: readonly Hop[]): void {
  write.writeU32(keys.chn)
  write.writeHead(0x80, chain.length)
  for (const hop of chain) {
    write.writeByte(0x85)
    write.writeText(hop.sid)
    write.writeUint(hop.attLog)
    write.writeUint(hop.attIndex)
    write.writeUint(hop.log)
    write.writeUint(hop.index)
  }
}
