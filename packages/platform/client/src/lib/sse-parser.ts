/** One event of a stream. */
export interface SseEvent {
  /** The last ID that the stream gave, with this event or before it; empty if it gave none. */
  readonly id: string
  /** `message` where the stream names no type. */
  readonly event: string
  readonly data: string
}

/** Why a stream cannot be read any further. */
export class SseFault extends Error {}

/**
 * Reads a stream of server-sent events as its bytes arrive (HTML Living Standard, section 9.2.6), within limits and strict about
 * UTF-8.
 *
 * ```
 * stream = [ BOM ] *event
 * event  = *( comment / field ) end-of-line
 * field  = 1*name-char [ ":" [ SPACE ] *any-char ] end-of-line      ; data, event, id, retry; others mean nothing
 * ```
 */
export class SseParser {
  readonly #charsMax: number
  readonly #decoder = new TextDecoder('utf-8', { fatal: true })
  // Pieces of the line that has not ended yet: joined once, so that a long line in many chunks is not copied again and again.
  #pieces: string[] = []
  #chars = 0
  #skipLf = false
  #data: string[] = []
  #event = ''
  #id = ''
  #retryMs: number | undefined

  /** @param charsMax characters of one event, its unfinished line included */
  constructor(charsMax: number) {
    this.#charsMax = charsMax
  }

  /** Milliseconds after which the stream asks to be opened again, if it said so. */
  get retryMs(): number | undefined {
    return this.#retryMs
  }

  /**
   * The events that `chunk` completes.
   *
   * @throws {SseFault} past the limit, or for what is not UTF-8.
   */
  push(chunk: Uint8Array): readonly SseEvent[] {
    const text = this.#decode(chunk)
    const events: SseEvent[] = []
    let from = 0
    while (from < text.length) {
      // A line ends with CR LF, LF or CR; the two characters of the first may be in different chunks.
      if (this.#skipLf) {
        this.#skipLf = false
        if (text[from] === '\n') {
          from++
          continue
        }
      }
      const at = endOfLine(text, from)
      if (at < 0) break
      this.#hold(text.slice(from, at))
      this.#skipLf = text[at] === '\r'
      from = at + 1
      const event = this.#takeLine()
      if (event !== undefined) events.push(event)
    }
    if (from < text.length) this.#hold(text.slice(from))
    return events
  }

  #decode(chunk: Uint8Array): string {
    try {
      return this.#decoder.decode(chunk, { stream: true })
    } catch {
      throw new SseFault('the stream is not UTF-8')
    }
  }

  #hold(piece: string): void {
    this.#chars += piece.length
    if (this.#chars > this.#charsMax)
      throw new SseFault(`an event has more than ${this.#charsMax} characters`)
    if (piece !== '') this.#pieces.push(piece)
  }

  #takeLine(): SseEvent | undefined {
    const line = this.#pieces.join('')
    this.#pieces = []
    if (line === '') return this.#dispatch()
    const colon = line.indexOf(':')
    // A comment. It keeps the connection, and counts for nothing.
    if (colon === 0) {
      this.#chars -= line.length
      return undefined
    }
    const name = colon < 0 ? line : line.slice(0, colon)
    const value = colon < 0 ? '' : line.slice(line[colon + 1] === ' ' ? colon + 2 : colon + 1)
    if (name === 'data') this.#data.push(value)
    else if (name === 'event') this.#event = value
    else if (name === 'id') this.#id = value.includes('\0') ? this.#id : value
    else if (name === 'retry' && /^\d{1,9}$/.test(value)) this.#retryMs = Number(value)
    return undefined
  }

  #dispatch(): SseEvent | undefined {
    const { length } = this.#data
    const event = { id: this.#id, event: this.#event || 'message', data: this.#data.join('\n') }
    this.#chars = 0
    this.#data = []
    this.#event = ''
    return length === 0 ? undefined : event
  }
}

function endOfLine(text: string, from: number): number {
  const lf = text.indexOf('\n', from)
  const cr = text.indexOf('\r', from)
  if (lf < 0 || cr < 0) return Math.max(lf, cr)
  return Math.min(lf, cr)
}
