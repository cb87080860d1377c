/** Bytes of one line of `qip conformance`: an envelope of 1 MiB in base64 in JSON, with room. */
export const lineBytesMax = 8_388_608

/** A line of input, or what stands for one that cannot be read. */
export type Line = { readonly text: string } | { readonly refused: 'too long' | 'not UTF-8' }

const newline = 0x0a
const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/**
 * Cuts a stream of bytes into lines; the last one needs no newline. A line over `bytesMax` bytes is dropped as it comes and
 * reported once, so memory does not grow with it.
 */
export async function* readLines(
  input: AsyncIterable<Uint8Array>,
  bytesMax: number = lineBytesMax,
): AsyncGenerator<Line> {
  let parts: Uint8Array[] = []
  let size = 0
  const take = (): Line => {
    const line = size > bytesMax ? { refused: 'too long' as const } : decode(parts)
    parts = []
    size = 0
    return line
  }
  for await (const chunk of input) {
    let from = 0
    for (;;) {
      const at = chunk.indexOf(newline, from)
      const part = chunk.subarray(from, at < 0 ? chunk.length : at)
      size += part.length
      if (size > bytesMax) parts = []
      else if (part.length > 0) parts.push(part)
      if (at < 0) break
      yield take()
      from = at + 1
    }
  }
  if (size > 0) yield take()
}

function decode(parts: readonly Uint8Array[]): Line {
  try {
    return { text: decoder.decode(Buffer.concat(parts)) }
  } catch {
    return { refused: 'not UTF-8' }
  }
}
