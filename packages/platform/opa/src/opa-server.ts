import { type Clock, type Json, parseJson, systemClock } from '@quantum-ip/base'
import type { EngineAnswer, EngineFault, Facts, PolicyEngine } from '@quantum-ip/policy'
import { Pool } from 'undici'
import { AnswerCache } from './answer-cache.ts'
import { answerOf, malformed } from './opa-answer.ts'
import { OpaError } from './opa-errors.ts'
import { OpaInput } from './opa-input.ts'
import { type OpaOptions, checkNumber, checkPath } from './opa-options.ts'

/** Where an OPA server is, and how long it is waited for. */
export interface OpaServerOptions extends OpaOptions {
  /** `http://127.0.0.1:8181` */
  readonly url: string
  /** PEM certificates to trust for the address; absent: those of the system. */
  readonly ca?: string | undefined
  /** For one question, connecting included. Default 50. */
  readonly timeoutMs?: number | undefined
  /** Questions that may be open at once; one more is not asked. Default 64. */
  readonly inFlightMax?: number | undefined
  /** How long answers are kept. Default 0: not at all. */
  readonly cacheMs?: number | undefined
  /** Answers that are kept. Default 10,000. */
  readonly cacheMax?: number | undefined
  readonly clock?: Clock
}

const answerBytesMax = 65_536

/**
 * Opens an engine that asks an OPA server, `POST /v1/data/<path>`, over connections that stay open. The server need not be there yet.
 *
 * @throws {OpaError} `QIP_OPA_OPTION_INVALID`
 */
export function openOpaServer(options: OpaServerOptions): PolicyEngine {
  checkPath(options.path)
  return new OpaServer(options, parseUrl(options.url))
}

function parseUrl(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined
  // What is in a URL besides an origin would be said to nobody, or be a secret in a configuration.
  if (url !== undefined && /^https?:$/.test(url.protocol) && url.href === `${url.origin}/`) return url
  throw new OpaError('QIP_OPA_OPTION_INVALID', {
    option: 'url',
    reason: 'is no address such as `http://127.0.0.1:8181`',
  })
}

class OpaServer implements PolicyEngine {
  readonly #pool: Pool
  readonly #target: string
  readonly #input: OpaInput
  readonly #timeoutMs: number
  readonly #inFlightMax: number
  readonly #cache: AnswerCache | undefined
  readonly #clock: Clock
  readonly #onAnswer: NonNullable<OpaOptions['onAnswer']>
  #inFlight = 0

  constructor(options: OpaServerOptions, url: URL) {
    this.#timeoutMs = checkNumber('timeoutMs', options.timeoutMs ?? 50, { min: 1, max: 60_000 })
    this.#inFlightMax = checkNumber('inFlightMax', options.inFlightMax ?? 64, { min: 1, max: 10_000 })
    const ttlMs = checkNumber('cacheMs', options.cacheMs ?? 0, { min: 0, max: 3_600_000 })
    const sizeMax = checkNumber('cacheMax', options.cacheMax ?? 10_000, { min: 1, max: 1_000_000 })
    this.#cache = ttlMs === 0 ? undefined : new AnswerCache({ ttlMs, sizeMax })
    this.#clock = options.clock ?? systemClock
    this.#input = new OpaInput(options.facts)
    this.#target = `/v1/data/${options.path}`
    this.#onAnswer = options.onAnswer ?? (() => {})
    const connect = { timeout: this.#timeoutMs, ...(options.ca !== undefined && { ca: options.ca }) }
    this.#pool = new Pool(url.origin, { connections: this.#inFlightMax, pipelining: 1, connect })
  }

  ask(facts: Facts): EngineAnswer | Promise<EngineAnswer> {
    const key = this.#cache && this.#input.key(facts)
    const kept = key === undefined ? undefined : this.#cache?.find(key, this.#clock.now())
    if (kept !== undefined) {
      this.#onAnswer('cached')
      return kept
    }
    if (this.#inFlight >= this.#inFlightMax) return this.#ended({ kind: 'unavailable', fault: 'busy' })
    return this.#ask(facts, key)
  }

  async #ask(facts: Facts, key: string | undefined): Promise<EngineAnswer> {
    this.#inFlight++
    try {
      const answer = await this.#send(`{"input":${this.#input.text(facts)}}`)
      if (key !== undefined) this.#cache?.keep(key, answer, this.#clock.now())
      return this.#ended(answer)
    } catch (error) {
      return this.#ended({ kind: 'unavailable', fault: faultOf(error) })
    } finally {
      this.#inFlight--
    }
  }

  async #send(body: string): Promise<EngineAnswer> {
    const end = new AbortController()
    const timer = setTimeout(() => end.abort(), this.#timeoutMs)
    try {
      const { statusCode, body: reply } = await this.#pool.request({
        method: 'POST',
        path: this.#target,
        headers: { 'content-type': 'application/json' },
        body,
        signal: end.signal,
      })
      const text = await readReply(reply)
      if (statusCode !== 200) return { kind: 'unavailable', fault: 'failed' }
      return text === undefined ? malformed : resultIn(text)
    } finally {
      clearTimeout(timer)
    }
  }

  #ended(answer: EngineAnswer): EngineAnswer {
    this.#onAnswer(answer.kind === 'unavailable' ? answer.fault : answer.kind)
    return answer
  }

  // Questions that are open get no answer any more: nobody waits for a time-out while a gateway stops.
  async close(): Promise<void> {
    await this.#pool.destroy()
  }
}

async function readReply(reply: AsyncIterable<Uint8Array>): Promise<string | undefined> {
  const chunks: Uint8Array[] = []
  let size = 0
  for await (const chunk of reply) {
    size += chunk.length
    if (size > answerBytesMax) return undefined
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString()
}

function resultIn(text: string): EngineAnswer {
  let json: Json
  try {
    json = parseJson(text)
  } catch {
    return malformed
  }
  if (typeof json !== 'object' || json === null || Array.isArray(json)) return malformed
  return answerOf(json['result'])
}

function faultOf(error: unknown): EngineFault {
  const { name, code } = error as { readonly name?: string; readonly code?: string }
  if (name === 'AbortError' || code === 'UND_ERR_ABORTED' || code === 'UND_ERR_CONNECT_TIMEOUT')
    return 'timeout'
  return 'unreachable'
}
