const reflectedPolynomial = 0x82_f6_3b_78

const table = Uint32Array.from({ length: 256 }, (_, byte) => {
  let value = byte
  for (let bit = 0; bit < 8; bit++)
    value = (value & 1) === 1 ? (value >>> 1) ^ reflectedPolynomial : value >>> 1
  return value
})

/**
 * The CRC-32C (Castagnoli; RFC 3720, appendix B.4) of bytes, as an unsigned number.
 *
 * The runtime's `crc32` of `node:zlib` is the other polynomial.
 */
export function crc32c(bytes: Uint8Array): number {
  let crc = 0xff_ff_ff_ff
  for (const byte of bytes) crc = (table[(crc ^ byte) & 0xff] as number) ^ (crc >>> 8)
  return (crc ^ 0xff_ff_ff_ff) >>> 0
}
