import { Buffer } from 'node:buffer'
import type { Answer } from './decision.ts'

/** Where the answer to one request goes: HTTP/1.1 and HTTP/2 look the same from here. */
export interface Reply {
  /** Whether the final head has been handed over. */
  readonly started: boolean
  /** Whether it takes an interim response (1xx). HTTP/1.0 clients don't. */
  readonly takesInterim: boolean
  /** Whether it can send trailers. */
  readonly takesTrailers: boolean
  /** Bytes wait for the client to take them. */
  readonly blocked: boolean
  /** An interim response. Fields are flat. */
  interim(status: number, fields: readonly string[]): void
  /** The final head. Fields are flat. `close` ends the connection after this response. */
  start(head: ReplyHead): void
  /** False: wait for `drained`. */
  write(chunk: Buffer): boolean
  end(trailers: readonly string[]): void
  /** Cuts it: the client must not take what it got for the whole. */
  destroy(): void
}

/** The final head of a response. */
export interface ReplyHead {
  readonly status: number
  /** Reason phrase; HTTP/2 has none. */
  readonly reason: string | undefined
  readonly fields: string[]
  /** Whether they say how long the body is. */
  readonly sized: boolean
  /** Whether they announce trailers. */
  readonly announced: boolean
  readonly close: boolean
}

/**
 * Sends an {@link Answer}: head, body and end. `bodiless` for answers to `HEAD`.
 */
export function sendAnswer(
  reply: Reply,
  answer: Answer,
  how: { readonly bodiless: boolean; readonly close: boolean },
): void {
  const body = Buffer.from(answer.body)
  const fields = [...answer.fields, 'content-length', String(body.length)]
  reply.start({
    status: answer.status,
    reason: undefined,
    fields,
    sized: true,
    announced: false,
    close: how.close,
  })
  if (!how.bodiless) reply.write(body)
  reply.end([])
}

/** Who hears of a reply's fate. */
export interface ReplyListener {
  /** The client takes more. */
  drained(): void
  /** Everything was sent, or the client is gone. Called once. */
  closed(): void
}
