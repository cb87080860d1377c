import { type Json, limits } from '@quantum-ip/base'
import { AnswerReader } from '../read-answer.ts'
import type { AuthorityStream } from '../request.ts'
import type { RaisedSampling } from '../follower-options.ts'
import type { Session } from '../session.ts'
import { unavailable } from './failure.ts'
import { type SseEvent, SseFault, SseParser } from './sse-parser.ts'
import { readRevocations } from './trust-fetch.ts'
import type { TrustStep } from './trust-updater.ts'

/** One event of the feed. `reset`: what the follower missed is not there any more, and the history has to be asked for. */
export type FeedEvent =
  | { readonly kind: 'step'; readonly step: TrustStep }
  | { readonly kind: 'reset' }
  | { readonly kind: 'sampling'; readonly sampling: RaisedSampling }

/** The feed of an authority, open. */
export interface Feed {
  /**
   * The events as they come.
   *
   * @throws {ClientError} `QIP_CLIENT_AUTHORITY_UNAVAILABLE` when the connection ends, for whatever reason: it never ends well.
   */
  events(): AsyncIterable<FeedEvent>
  /** Milliseconds after which the authority wants to be asked again when the feed has ended. */
  readonly retryMs: number | undefined
  close(): void
}

/** How the feed is opened. */
export interface FeedOptions {
  /** The sequence of the state that is held: what came after it is sent first. */
  readonly lastSeq: number | undefined
  /** Milliseconds without an event after which the feed counts as lost. A state comes every 5 s. */
  readonly idleMs: number
  readonly signal: AbortSignal
}

const operation = 'the feed'
// A state and a bundle in their envelopes, and the revocations between two states.
const eventCharsMax = 8 * limits.stateBytesMax

/**
 * Opens the feed, `GET /v1/feed`: server-sent events.
 *
 * @throws {ClientError} as {@link Session.stream}
 */
export async function openFeed(session: Pick<Session, 'stream'>, options: FeedOptions): Promise<Feed> {
  const { lastSeq, signal } = options
  const stream = await session.stream({
    operation,
    method: 'GET',
    target: '/v1/feed',
    headers: {
      accept: 'text/event-stream',
      ...(lastSeq !== undefined && { 'last-event-id': String(lastSeq) }),
    },
    signal,
  })
  if (stream.mediaType !== 'text/event-stream') {
    stream.close()
    throw unavailable(operation, 'the answer is no event stream')
  }
  return new OpenFeed(stream, options.idleMs)
}

class OpenFeed implements Feed {
  readonly #stream: AuthorityStream
  readonly #idleMs: number
  readonly #parser = new SseParser(eventCharsMax)

  constructor(stream: AuthorityStream, idleMs: number) {
    this.#stream = stream
    this.#idleMs = idleMs
  }

  get retryMs(): number | undefined {
    return this.#parser.retryMs
  }

  close(): void {
    this.#stream.close()
  }

  async *events(): AsyncIterable<FeedEvent> {
    let isIdle = false
    // Comments keep a connection that brings no states; only events count.
    const timer = setTimeout(() => {
      isIdle = true
      this.close()
    }, this.#idleMs)
    try {
      for await (const chunk of this.#stream.body) {
        for (const event of this.#parser.push(chunk)) {
          const known = readEvent(event)
          if (known === undefined) continue
          yield known
          timer.refresh()
        }
      }
    } catch (error) {
      if (isIdle) throw unavailable(operation, `it brought nothing for ${this.#idleMs} ms`)
      if (error instanceof SseFault) throw unavailable(operation, error.message)
      throw error
    } finally {
      clearTimeout(timer)
      this.close()
    }
    throw unavailable(operation, 'the authority ended it')
  }
}

function readEvent({ event, data }: SseEvent): FeedEvent | undefined {
  if (event === 'reset' || event === 'gap') return { kind: 'reset' }
  if (event === 'sampling') return { kind: 'sampling', sampling: readSampling(data) }
  // What a later version adds beside states is not for us.
  if (event !== 'state') return undefined
  const reader = new AnswerReader(parse(data), operation)
  const bundle = reader.optionalText('bundle')
  return {
    kind: 'step',
    step: {
      state: reader.text('state'),
      revocations: reader.has('revocations') ? readRevocations(reader) : [],
      headGap: 'refuse',
      ...(bundle !== undefined && { bundle }),
    },
  }
}

function readSampling(data: string): RaisedSampling {
  const reader = new AnswerReader(parse(data), operation)
  const [percent, untilMs] = [reader.integer('percent'), reader.integer('untilMs')]
  return { percent: Math.min(100, Math.max(0, percent)), untilMs, eventOpen: reader.flag('eventOpen') }
}

// Not signed as JSON: the envelopes in it are read strictly, and the records proven by their chain.
function parse(data: string): Json {
  try {
    return JSON.parse(data) as Json
  } catch {
    throw unavailable(operation, 'an event is no JSON')
  }
}
