import type { Buffer } from 'node:buffer'
import { Readable } from 'node:stream'

/** Bytes that are still read from a client after its request was answered, so that it gets to read the answer. */
const lingerBytesMax = 1_048_576
/** Milliseconds for the same. */
const lingerMs = 5_000

/** What an upload tells its exchange. */
export interface UploadListener {
  /** More than allowed has come. */
  tooLarge(): void
  /** The client keeps sending to a request that is over: cut the connection. */
  lingering(): void
}

/**
 * The body of a request on its way to the upstream.
 *
 * It stands between the client's stream and the dispatcher, which destroys bodies it no longer
 * wants: the client's stream must not be destroyed with them while an answer is on its way.
 */
export class Upload extends Readable {
  readonly #source: Readable
  readonly #bytesMax: number
  readonly #listener: UploadListener
  #bytes = 0
  #detached = false

  constructor(
    source: Readable,
    options: {
      readonly prefix: readonly Buffer[]
      readonly bytesMax: number
      readonly listener: UploadListener
    },
  ) {
    super({ highWaterMark: 65_536 })
    this.#source = source
    this.#bytesMax = options.bytesMax
    this.#listener = options.listener
    for (const chunk of options.prefix) {
      this.#bytes += chunk.length
      this.push(chunk)
    }
    // The dispatcher listens only as long as it works on the request; an error after that must not end the process.
    this.on('error', () => {})
    source.on('data', this.#onData)
    source.on('end', this.#onEnd)
    source.on('aborted', this.#onGone)
    source.on('error', this.#onGone)
    source.on('close', this.#onGone)
    if (source.readableEnded) this.push(null)
    else source.pause()
  }

  /** Whether it waits for the client, not for the upstream. */
  get starved(): boolean {
    return (
      !this.#detached && this.readableLength === 0 && !this.#source.isPaused() && !this.#source.readableEnded
    )
  }

  override _read(): void {
    if (!this.#detached) this.#source.resume()
  }

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    if (!this.#detached) {
      this.#detach()
      if (!this.#source.readableEnded && !this.#source.destroyed) this.#linger()
    }
    callback(error)
  }

  readonly #onData = (chunk: Buffer): void => {
    this.#bytes += chunk.length
    if (this.#bytes > this.#bytesMax) {
      this.#listener.tooLarge()
      this.destroy(new Error('request body too large'))
      return
    }
    if (!this.push(chunk)) this.#source.pause()
  }

  readonly #onEnd = (): void => {
    this.#detach()
    this.push(null)
  }

  readonly #onGone = (): void => {
    if (this.#detached) return
    this.#detach()
    this.destroy(new Error('client gone'))
  }

  #detach(): void {
    this.#detached = true
    this.#source.off('data', this.#onData)
    this.#source.off('end', this.#onEnd)
    this.#source.off('aborted', this.#onGone)
    this.#source.off('close', this.#onGone)
    // The listener for errors stays: without one, an error of a client would end the process.
  }

  #linger(): void {
    drain(this.#source, () => {
      this.#listener.lingering()
    })
  }
}

/** Reads what a client still sends and forgets it; calls `over` when it does not stop soon. */
export function drain(source: Readable, over: () => void): void {
  let bytes = 0
  const timer = setTimeout(over, lingerMs).unref()
  source.on('data', (chunk: Buffer) => {
    bytes += chunk.length
    if (bytes > lingerBytesMax) over()
  })
  source.on('close', () => {
    clearTimeout(timer)
  })
  source.on('end', () => {
    clearTimeout(timer)
  })
  source.resume()
}

/**
 * Reads a body of at most `sizeMax` bytes. `whole` is false where there was more, or it broke off;
 * what was read by then is in `chunks`.
 */
export function readBody(
  source: Readable,
  sizeMax: number,
): Promise<{ readonly whole: boolean; readonly chunks: Buffer[] }> {
  return new Promise((resolve) => {
    const chunks: Buffer[] = []
    let size = 0
    const settle = (whole: boolean): void => {
      source.off('data', onData)
      source.off('end', onEnd)
      source.off('close', onClose)
      source.pause()
      resolve({ whole, chunks })
    }
    const onData = (chunk: Buffer): void => {
      chunks.push(chunk)
      size += chunk.length
      if (size > sizeMax) settle(false)
    }
    const onEnd = (): void => {
      settle(true)
    }
    const onClose = (): void => {
      settle(false)
    }
    source.on('data', onData)
    source.on('end', onEnd)
    source.on('close', onClose)
    if (source.readableEnded) settle(true)
  })
}
