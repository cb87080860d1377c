import { unavailable } from './failure.ts'

/** The parts of an answer that is read to its end. */
export interface BodyToRead {
  readonly body: AsyncIterable<Uint8Array>
  /** The value of `Content-Length`. */
  readonly announced: string | undefined
  readonly bytesMax: number
  readonly operation: string
}

/**
 * Reads a body whole.
 *
 * @throws {ClientError} `QIP_CLIENT_AUTHORITY_UNAVAILABLE` past the limit. Ending the loop ends the connection, too.
 */
export async function readBody({ body, announced, bytesMax, operation }: BodyToRead): Promise<Uint8Array> {
  const tooLarge = () => unavailable(operation, `the answer has more than ${bytesMax} bytes`)
  const chunks: Uint8Array[] = []
  let size = 0
  for await (const chunk of body) {
    size += chunk.length
    if (size > bytesMax || Number(announced ?? 0) > bytesMax) throw tooLarge()
    chunks.push(chunk)
  }
  return chunks.length === 1 ? (chunks[0] as Uint8Array) : Buffer.concat(chunks, size)
}
