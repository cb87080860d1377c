/*
 * SHA-256 (FIPS 180-4), for runtimes whose own is asynchronous: a proof is a dozen hashes, one after the other, and a promise for each
 * costs more than the hash.
 */

// The first 32 bits of the fractional parts of the cube roots of the first 64 primes.
const roundConstants = new Uint32Array([
  0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5, 0xd807aa98,
  0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174, 0xe49b69c1, 0xefbe4786,
  0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da, 0x983e5152, 0xa831c66d, 0xb00327c8,
  0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967, 0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13,
  0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85, 0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819,
  0xd6990624, 0xf40e3585, 0x106aa070, 0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a,
  0x5b9cca4f, 0x682e6ff3, 0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7,
  0xc67178f2,
])

const schedule = new Uint32Array(64)

/** SHA-256 of the parts, one after the other: 32 bytes. */
export function sha256Parts(parts: readonly Uint8Array[]): Uint8Array {
  const message = padded(parts)
  const hash = new Uint32Array([
    0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19,
  ])
  for (let at = 0; at < message.byteLength; at += 64) takeBlock(hash, message, at)
  const bytes = new DataView(new ArrayBuffer(32))
  for (let i = 0; i < 8; i++) bytes.setUint32(4 * i, hash[i] as number)
  return new Uint8Array(bytes.buffer)
}

// The message, a bit 1, zeros, and the length in bits as a u64: whole blocks of 64 bytes.
function padded(parts: readonly Uint8Array[]): DataView {
  let size = 0
  for (let i = 0; i < parts.length; i++) size += (parts[i] as Uint8Array).length
  const bytes = new Uint8Array(64 * Math.ceil((size + 9) / 64))
  let at = 0
  for (let i = 0; i < parts.length; i++) {
    bytes.set(parts[i] as Uint8Array, at)
    at += (parts[i] as Uint8Array).length
  }
  bytes[at] = 0x80
  const view = new DataView(bytes.buffer)
  view.setUint32(bytes.length - 8, Math.floor(size / 0x20000000))
  view.setUint32(bytes.length - 4, (size * 8) >>> 0)
  return view
}

function rotate(word: number, bits: number): number {
  return (word >>> bits) | (word << (32 - bits))
}

// FIPS 180-4, section 6.2.2, with its names.
function takeBlock(hash: Uint32Array, message: DataView, at: number): void {
  const w = schedule
  for (let t = 0; t < 16; t++) w[t] = message.getUint32(at + 4 * t)
  for (let t = 16; t < 64; t++) {
    const x = w[t - 15] as number
    const y = w[t - 2] as number
    const s0 = rotate(x, 7) ^ rotate(x, 18) ^ (x >>> 3)
    const s1 = rotate(y, 17) ^ rotate(y, 19) ^ (y >>> 10)
    w[t] = (w[t - 16] as number) + s0 + (w[t - 7] as number) + s1
  }
  let a = hash[0] as number
  let b = hash[1] as number
  let c = hash[2] as number
  let d = hash[3] as number
  let e = hash[4] as number
  let f = hash[5] as number
  let g = hash[6] as number
  let h = hash[7] as number
  for (let t = 0; t < 64; t++) {
    const s1 = rotate(e, 6) ^ rotate(e, 11) ^ rotate(e, 25)
    const t1 = (h + s1 + ((e & f) ^ (~e & g)) + (roundConstants[t] as number) + (w[t] as number)) | 0
    const s0 = rotate(a, 2) ^ rotate(a, 13) ^ rotate(a, 22)
    const t2 = (s0 + ((a & b) ^ (a & c) ^ (b & c))) | 0
    h = g
    g = f
    f = e
    e = (d + t1) | 0
    d = c
    c = b
    b = a
    a = (t1 + t2) | 0
  }
  const sums = [a, b, c, d, e, f, g, h]
  for (let i = 0; i < 8; i++) hash[i] = (hash[i] as number) + (sums[i] as number)
}
