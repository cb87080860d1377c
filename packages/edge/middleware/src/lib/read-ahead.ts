import { Buffer } from 'node:buffer'
import type { IncomingMessage } from 'node:http'

/** Reads a body before anybody else does, and leaves it as it was: `undefined` where it is longer than `sizeMax`, or broke off. */
export type ReadAhead = (sizeMax: number) => Promise<Uint8Array | undefined>

/**
 * How the body of a request of `node:http` is read ahead; `undefined` where it has none, and where its end cannot be seen before the
 * event `end`: over HTTP/2 without a length.
 */
export function readAheadOf(request: IncomingMessage): ReadAhead | undefined {
  const { 'content-length': text, 'transfer-encoding': coding } = request.headers
  const length = text === undefined ? undefined : Number(text)
  if (length === 0 || (length === undefined && coding === undefined)) return undefined
  return (sizeMax) => readAhead(request, length, sizeMax)
}

async function readAhead(
  request: IncomingMessage,
  length: number | undefined,
  sizeMax: number,
): Promise<Uint8Array | undefined> {
  if (length !== undefined && length > sizeMax) return undefined
  // What came with the head is there after this turn. A stream that ended without content must not be listened to: that is what has
  // `end` emitted, before a handler listens.
  await Promise.resolve()
  // Whoever read it before us has it: there is nothing to see any more.
  if (request.readableDidRead || request.destroyed) return undefined
  if (request.complete && request.readableLength === 0) return Buffer.alloc(0)
  return readWhole(request, length, sizeMax)
}

function readWhole(
  request: IncomingMessage,
  length: number | undefined,
  sizeMax: number,
): Promise<Buffer | undefined> {
  return new Promise((resolve) => {
    const chunks: Buffer[] = []
    let size = 0
    const settle = (body: Buffer | undefined): void => {
      request.off('readable', onReadable)
      request.off('close', onClose)
      resolve(body)
    }
    const onReadable = (): void => {
      // INVARIANT: nothing is read where nothing is left, since that has `end` emitted, too.
      while (size <= sizeMax && request.readableLength > 0) {
        const chunk = request.read() as Buffer | null
        if (chunk === null) break
        chunks.push(chunk)
        size += chunk.length
      }
      const isWhole = request.complete || size === length
      if (!isWhole && size <= sizeMax) return
      const body = Buffer.concat(chunks)
      // Put back in the same turn: `end` is emitted in the next one, and only if nothing is left by then.
      if (size > 0) request.unshift(body)
      settle(isWhole && size <= sizeMax ? body : undefined)
    }
    const onClose = (): void => settle(undefined)
    request.on('readable', onReadable)
    request.on('close', onClose)
  })
}
