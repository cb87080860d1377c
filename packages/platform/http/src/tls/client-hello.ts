/** What a ClientHello offers, as far as it matters here. */
export interface ClientHello {
  /** Code points of supported_groups, in the client's order. */
  readonly groups: readonly number[]
}

/** Bytes after which something that is not yet a whole ClientHello is given up. */
export const clientHelloBytesMax = 16_384

/**
 * Reads the groups of a ClientHello from the first bytes of a connection.
 *
 * ```
 * TLSPlaintext  = type[1] = 22 || version[2] || length[2] || fragment          (RFC 8446, section 5.1)
 * Handshake     = type[1] = 1 || length[3] || body                             (section 4)
 * ClientHello   = version[2] || random[32] || session<0..32> || suites<2..> || compression<1..> || extensions<..>
 * Extension     = type[2] || length[2] || data; supported_groups = 10: length[2] || group[2]...
 * ```
 *
 * @returns the hello; `undefined` where more bytes are needed; `'malformed'` where no more bytes will help.
 */
export function readClientHello(bytes: Uint8Array): ClientHello | 'malformed' | undefined {
  const handshake = handshakeBytes(bytes)
  if (handshake === 'malformed' || handshake === undefined) return handshake
  const reader = new Reader(handshake)
  if (reader.u8() !== 1) return 'malformed'
  const body = reader.vector(3)
  body.skip(34)
  body.vector(1)
  body.vector(2)
  body.vector(1)
  const groups = body.failed ? undefined : supportedGroups(body.vector(2))
  return groups === undefined ? 'malformed' : { groups }
}

const handshakeRecord = 22
const supportedGroupsType = 10

// The handshake message may be cut over several records.
function handshakeBytes(bytes: Uint8Array): Uint8Array | 'malformed' | undefined {
  let message = new Uint8Array(0)
  for (let offset = 0; ;) {
    if (bytes.length > offset && bytes[offset] !== handshakeRecord) return 'malformed'
    if (bytes.length < offset + 5) return bytes.length > clientHelloBytesMax ? 'malformed' : undefined
    const end = offset + 5 + u16(bytes, offset + 3)
    if (end > clientHelloBytesMax) return 'malformed'
    if (bytes.length < end) return undefined
    message = Buffer.concat([message, bytes.subarray(offset + 5, end)])
    if (message.length >= 4 && message.length >= 4 + u16(message, 2) + 65_536 * (message[1] ?? 0))
      return message
    offset = end
  }
}

function supportedGroups(extensions: Reader): readonly number[] | undefined {
  while (!extensions.ended) {
    const type = extensions.u16()
    const data = extensions.vector(2)
    if (extensions.failed) return undefined
    if (type !== supportedGroupsType) continue
    const list = data.vector(2)
    const groups: number[] = []
    while (!list.ended) groups.push(list.u16())
    return data.failed || list.failed ? undefined : groups
  }
  return []
}

function u16(bytes: Uint8Array, offset: number): number {
  return ((bytes[offset] ?? 0) << 8) | (bytes[offset + 1] ?? 0)
}

class Reader {
  readonly #bytes: Uint8Array
  #offset = 0
  /** Whether something was read that is not there; all that was read since is zero. */
  failed = false

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes
  }

  get ended(): boolean {
    return this.failed || this.#offset >= this.#bytes.length
  }

  skip(size: number): void {
    this.#offset += size
    if (this.#offset > this.#bytes.length) this.failed = true
  }

  u8(): number {
    const value = this.#bytes[this.#offset] ?? 0
    this.skip(1)
    return value
  }

  u16(): number {
    const value = u16(this.#bytes, this.#offset)
    this.skip(2)
    return value
  }

  /** What a length of `lengthSize` bytes announces. */
  vector(lengthSize: number): Reader {
    let size = 0
    for (let i = 0; i < lengthSize; i++) size = size * 256 + this.u8()
    const start = this.#offset
    this.skip(size)
    const inner = new Reader(this.#bytes.subarray(start, start + size))
    inner.failed = this.failed
    return inner
  }
}
