import { hex, utf8 } from '@quantum-ip/base'
import { sha256 } from '@quantum-ip/crypto'

/** The name of a log in the monitoring path of a witness: SHA-256 of its origin, lowercase hexadecimal (c2sp.org/tlog-witness). */
export function originHash(origin: string): string {
  return hex(sha256(utf8(origin)))
}
