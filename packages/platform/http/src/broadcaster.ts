import type { ServerResponse } from 'node:http'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { type Random, systemRandom } from '@quantum-ip/base'
import { EventRing } from './lib/event-ring.ts'
import { HttpError } from './http-errors.ts'

/** One event of a feed (server-sent events, HTML Living Standard, section 9.2). */
export interface FeedEvent {
  /** Where a client that lost its connection resumes: unique, also over restarts; no line break, no NUL. */
  readonly id: string
  /** The event's type; one line. */
  readonly event: string
  /** Text; line breaks are kept. */
  readonly data: string
}

/** Why a client was let go. */
export type DropReason = 'slow' | 'disconnected'

/** What {@link openBroadcaster} takes. */
export interface BroadcasterOptions {
  /** Clients at once. Default 1,000. */
  readonly clientsMax?: number
  /** Unsent bytes of one client after which it is dropped. Default 4 MiB. */
  readonly clientBytesMax?: number
  /** Events kept for those who resume. Default 2,048. */
  readonly eventsMax?: number
  /** Bytes of events kept. Default 16 MiB. */
  readonly ringBytesMax?: number
  /** A comment is sent after so long, so that proxies keep the connection. Default 15 s. */
  readonly keepAliveMs?: number
  readonly onDrop?: (reason: DropReason) => void
  readonly random?: Random
}

/** What {@link Broadcaster.attach} takes beside the request. */
export interface AttachOptions {
  /** Whose connection it is, for {@link Broadcaster.disconnect}. */
  readonly owner?: string
  /** Sent first to a client that does not resume, such as the present state. Not kept in the ring. */
  readonly greeting?: readonly FeedEvent[]
}

/** Sends events to many clients. */
export interface Broadcaster extends Disposable {
  readonly clients: number
  /** Clients dropped so far because they did not read. */
  readonly dropped: number
  publish(event: FeedEvent): void
  /**
   * Makes the reply a feed. A client that sends `Last-Event-ID` gets all events after it; where that is no longer known,
   * or is more than its buffer takes, it gets an event `gap` first and must fetch the present state by other means.
   *
   * @throws {HttpError} `QIP_HTTP_FEED_FULL` if there are too many clients.
   */
  attach(request: FastifyRequest, reply: FastifyReply, options?: AttachOptions): void
  /** Ends the connections of an owner whose credential was revoked; how many there were. */
  disconnect(owner: string): number
  /** Ends all connections. */
  close(): void
}

const clientBytesDefault = 4_194_304
const keepAlive = Buffer.from(':\n\n')
const gap = Buffer.from('event: gap\ndata: {}\n\n')

/**
 * Opens a feed. One event is prepared once, as one buffer, and that buffer is written to each raw response: no copy and
 * no framing per client (the reply has no length and no chunks, it ends with its connection).
 *
 * A client that does not read is dropped rather than remembered: it resumes from the ring when it comes back.
 */
export function openBroadcaster(options: BroadcasterOptions = {}): Broadcaster {
  return new FeedBroadcaster(options)
}

interface Client {
  readonly response: ServerResponse
  readonly owner: string | undefined
}

class FeedBroadcaster implements Broadcaster {
  readonly #options: BroadcasterOptions
  readonly #ring: EventRing
  readonly #clients = new Set<Client>()
  readonly #timer: NodeJS.Timeout
  #dropped = 0
  #closed = false

  constructor(options: BroadcasterOptions) {
    const { eventsMax = 2_048, ringBytesMax = 16_777_216, keepAliveMs = 15_000 } = options
    this.#options = options
    this.#ring = new EventRing({ eventsMax, bytesMax: ringBytesMax })
    this.#timer = setInterval(() => this.#writeAll(keepAlive), keepAliveMs).unref()
  }

  get clients(): number {
    return this.#clients.size
  }

  get dropped(): number {
    return this.#dropped
  }

  publish(event: FeedEvent): void {
    if (this.#closed) return
    const bytes = formatFeedEvent(event)
    this.#ring.add(event.id, bytes)
    this.#writeAll(bytes)
  }

  attach(request: FastifyRequest, reply: FastifyReply, { owner, greeting = [] }: AttachOptions = {}): void {
    const { clientsMax = 1_000, random = systemRandom } = this.#options
    if (this.#closed) throw new HttpError('QIP_HTTP_STOPPING', {})
    if (this.#clients.size >= clientsMax) throw new HttpError('QIP_HTTP_FEED_FULL', { clientsMax })
    reply.hijack()
    const response = reply.raw
    // Gone while its credential was being looked up: `close` has been told already and will not be again.
    if (response.destroyed || request.raw.socket.destroyed) return
    const client: Client = { response, owner }
    response.once('close', () => this.#clients.delete(client))
    response.on('error', () => response.destroy())
    beginFeed(response, random)
    this.#clients.add(client)
    const resumeAt = request.headers['last-event-id']
    for (const bytes of this.#begin(resumeAt, greeting)) if (!this.#write(client, bytes)) return
  }

  disconnect(owner: string): number {
    let ended = 0
    for (const client of this.#clients) {
      if (client.owner !== owner) continue
      ended++
      this.#clients.delete(client)
      client.response.destroy()
      this.#options.onDrop?.('disconnected')
    }
    return ended
  }

  close(): void {
    this.#closed = true
    clearInterval(this.#timer)
    for (const client of this.#clients) client.response.end()
    this.#clients.clear()
  }

  [Symbol.dispose](): void {
    this.close()
  }

  *#begin(resumeAt: string | string[] | undefined, greeting: readonly FeedEvent[]): Generator<Buffer> {
    const { clientBytesMax = clientBytesDefault } = this.#options
    // What would not fit into the buffer of a client is a gap: it would be dropped for it, again and again.
    const missed = typeof resumeAt === 'string' ? this.#ring.after(resumeAt, clientBytesMax) : undefined
    if (missed !== undefined) {
      yield* missed
      return
    }
    if (resumeAt !== undefined) yield gap
    for (const event of greeting) yield formatFeedEvent(event)
  }

  #writeAll(bytes: Buffer): void {
    for (const client of this.#clients) this.#write(client, bytes)
  }

  // INVARIANT: what waits for one client is bounded; past the limit it loses the connection, never an event in between.
  #write(client: Client, bytes: Buffer): boolean {
    const { clientBytesMax = clientBytesDefault, onDrop } = this.#options
    const { response } = client
    response.write(bytes)
    if (response.writableLength <= clientBytesMax) return true
    this.#clients.delete(client)
    this.#dropped++
    response.destroy()
    onDrop?.('slow')
    return false
  }
}

function beginFeed(response: ServerResponse, random: Random): void {
  // Not chunked: one write per event is then one buffer on the wire as it is.
  response.removeHeader('transfer-encoding')
  response.writeHead(200, {
    'content-type': 'text/event-stream',
    'cache-control': 'no-store',
    connection: 'close',
    'x-accel-buffering': 'no',
  })
  // Spread, so that a restart does not bring all clients back in the same moment.
  const [draw = 0] = random.bytes(1)
  response.write(`retry: ${1_000 + draw * 8}\n\n`)
}

/** An event as it is on the wire. */
export function formatFeedEvent({ id, event, data }: FeedEvent): Buffer {
  if (/[\r\n\0]/.test(id) || /[\r\n]/.test(event)) throw new TypeError('an event ID and type are one line')
  const lines = data.split(/\r\n|\r|\n/).map((line) => `data: ${line}\n`)
  return Buffer.from(`id: ${id}\nevent: ${event}\n${lines.join('')}\n`)
}
