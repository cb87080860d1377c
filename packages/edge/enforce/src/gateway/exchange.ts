import { Buffer } from 'node:buffer'
import type { Readable } from 'node:stream'
import type { Dispatcher } from 'undici'
import type { ClientCertificate, OpenStream, StreamTerms } from '@quantum-ip/point'
import type { Answer, Decision, Pass } from './decision.ts'
import type { RelayProblem } from './problem.ts'
import type { RelayCore } from './relay-core.ts'
import type { CutCause } from './relay-observer.ts'
import { type Reply, type ReplyListener, sendAnswer } from './reply.ts'
import type { HeadHooks, ReadHead } from './request-head.ts'
import { responseFields, trailerFields } from './response-fields.ts'
import { Upload, type UploadListener, drain, readBody } from './upload.ts'
import { connectionBroke, upstreamProblem } from './upstream-failure.ts'
import { upstreamFields } from './upstream-fields.ts'

/** The client's connection, or its stream. */
export interface ClientSide {
  /** Whether the request has been received whole, so that its body can be taken in one piece. */
  received(): boolean
  certificate(): ClientCertificate | undefined
  reply(listener: ReplyListener): Reply
  cut(): void
}

/**
 * One request and its response.
 *
 * Everything ends in {@link Exchange.closed}, exactly once. What fails before the response head was sent is
 * answered with a problem; after it, the client's side is cut, so that a part is never taken for the whole.
 */
export class Exchange
  implements Dispatcher.DispatchHandler, ReplyListener, UploadListener, OpenStream, HeadHooks
{
  before: OpenStream | undefined
  after: OpenStream | undefined
  readonly #core: RelayCore
  readonly #head: ReadHead
  readonly #client: ClientSide
  // The request body; `undefined` where there is none.
  readonly #source: Readable | undefined
  readonly #reply: Reply
  readonly #beganMs: number
  #controller: Dispatcher.DispatchController | undefined
  #pass: Pass | undefined
  #upload: Upload | undefined
  #prefix: readonly Buffer[] = []
  #bodyAsked = false
  #continued = false
  #counted = false
  #retried = false
  // Where the next request would begin is not known.
  #broken = false
  #status = 0
  // Answered here, or the upstream has said everything: what it does now is of no interest.
  #done = false
  // The client's side is closed.
  #over = false

  constructor(
    core: RelayCore,
    head: ReadHead,
    parts: { readonly client: ClientSide; readonly body: Readable },
  ) {
    this.#core = core
    this.#head = head
    this.#client = parts.client
    this.#source = head.hasBody ? parts.body : undefined
    this.#beganMs = core.clock.now()
    this.#reply = parts.client.reply(this)
    head.hooks = this
    core.open.add(this)
  }

  get terms(): StreamTerms | undefined {
    return this.#pass?.terms
  }

  /** Asks the guard and does what it says. */
  begin(): void {
    try {
      const decision = this.#core.guard(this.#head)
      if (!(decision instanceof Promise)) {
        this.#apply(decision)
        return
      }
      decision.then((settled) => this.#apply(settled)).catch(() => this.#problem('defect'))
    } catch {
      this.#problem('defect')
    }
  }

  certificate(): ClientCertificate | undefined {
    return this.#client.certificate()
  }

  async readBody(sizeMax: number): Promise<Buffer | undefined> {
    const source = this.#source
    if (source === undefined) return Buffer.alloc(0)
    if (this.#bodyAsked || (this.#head.contentLength ?? 0) > sizeMax) return undefined
    this.#bodyAsked = true
    this.#continue()
    const { whole, chunks } = await readBody(source, sizeMax)
    this.#prefix = chunks
    return whole ? Buffer.concat(chunks) : undefined
  }

  #apply(decision: Decision): void {
    if (this.#over) {
      if (decision.action === 'pass') decision.release?.()
      return
    }
    if (decision.action === 'answer') {
      this.#answer(decision)
      return
    }
    this.#pass = decision
    if (!decision.upstream.enter()) {
      this.#problem('upstream_saturated')
      return
    }
    this.#counted = true
    // One turn later the parser has seen the rest of what came with the head, and a small body goes in one piece.
    const source = this.#source
    if (source === undefined) this.#dispatch(null)
    else queueMicrotask(() => this.#dispatchBody(source))
  }

  #dispatchBody(source: Readable): void {
    try {
      if (!this.#over && !this.#done) this.#dispatch(this.#takeBody(source))
    } catch {
      this.#problem('defect')
    }
  }

  #takeBody(source: Readable): Buffer | Upload | null {
    if (
      !this.#bodyAsked &&
      this.#client.received() &&
      source.readableLength <= this.#core.limits.bodyBytesMax
    ) {
      const whole = source.read() as Buffer | null
      source.resume()
      return whole
    }
    if (source.readableEnded) return Buffer.concat(this.#prefix)
    this.#upload = new Upload(source, {
      prefix: this.#prefix,
      bytesMax: this.#core.limits.bodyBytesMax,
      listener: this,
    })
    return this.#upload
  }

  #dispatch(body: Buffer | Upload | null): void {
    const head = this.#head
    const pass = this.#pass as Pass
    // `servername` is read by the dispatcher, though its types don't name it: without it, `Host` would choose the name for TLS.
    const options: Dispatcher.DispatchOptions & { servername: string | undefined } = {
      path: head.forward,
      method: head.method,
      headers: upstreamFields(this.#core, head, pass, body instanceof Upload),
      body,
      servername: pass.upstream.serverName,
    }
    pass.upstream.dispatcher.dispatch(options, this)
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller
    if (this.#over || this.#done) controller.abort(new Error('client gone'))
    // Only now is there somebody to take the body.
    else this.#continue()
  }

  #continue(): void {
    if (!this.#head.expectsContinue || this.#continued) return
    this.#continued = true
    if (this.#reply.takesInterim && !this.#reply.started) this.#interim(100, [])
  }

  #interim(status: number, fields: readonly string[]): void {
    try {
      this.#reply.interim(status, fields)
    } catch {
      // Fields that can't be sent: a hint is lost, the answer isn't.
    }
  }

  onResponseStart(
    controller: Dispatcher.DispatchController,
    status: number,
    _: unknown,
    reason?: string,
  ): void {
    if (this.#over || this.#done) return
    const reply = this.#reply
    const trailers = reply.takesTrailers && this.#head.method !== 'HEAD' && status !== 204 && status !== 304
    const head = responseFields(controller.rawHeaders, { trailers })
    if (status >= 200) {
      this.#status = status
      reply.start({ status, reason, ...head, close: this.#core.stopping })
    } else if (status !== 100 && reply.takesInterim) this.#interim(status, head.fields)
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    if (!this.#reply.write(chunk)) controller.pause()
  }

  onResponseEnd(controller: Dispatcher.DispatchController): void {
    if (this.#over || this.#done) return
    this.#reply.end(this.#reply.takesTrailers ? trailerFields(controller.rawTrailers) : [])
    this.#done = true
  }

  onResponseError(_: Dispatcher.DispatchController | null, error: Error): void {
    if (this.#over || this.#done) return
    if (this.#reply.started) this.cut('upstream')
    else if (this.#retriable(error)) {
      this.#retried = true
      this.#controller = undefined
      this.#dispatch(null)
    } else this.#problem(upstreamProblem(error))
  }

  // Safe methods only, nothing sent with them, once (RFC 9110, section 9.2.2).
  #retriable(error: Error): boolean {
    const { method } = this.#head
    const safe = method === 'GET' || method === 'HEAD' || method === 'OPTIONS'
    return safe && !this.#retried && this.#source === undefined && connectionBroke(error)
  }

  drained(): void {
    this.#controller?.resume()
  }

  closed(): void {
    if (this.#over) return
    this.#over = true
    this.#core.open.delete(this)
    this.#abort('client gone')
    const source = this.#source
    if (this.#upload !== undefined) this.#upload.destroy()
    else if (source !== undefined && !source.readableEnded && !source.destroyed)
      drain(source, () => this.#client.cut())
    const pass = this.#pass
    if (pass !== undefined && this.#counted) pass.upstream.leave()
    pass?.release?.()
    const durationMs = this.#core.clock.now() - this.#beganMs
    this.#core.finished({ upstream: pass?.upstream.name, status: this.#status, durationMs })
  }

  cut(cause: CutCause): void {
    if (this.#over) return
    this.#core.observer.cut?.(cause)
    this.#reply.destroy()
    this.closed()
  }

  /** The client's connection has been idle for long. False: it is the upstream that is waited for. */
  idle(): boolean {
    if (this.#reply.started) {
      if (!this.#reply.blocked && this.#upload?.starved !== true) return false
      this.cut('client_idle')
    } else {
      if (this.#upload?.starved !== true) return false
      this.#problem('request_timeout')
    }
    return true
  }

  /** What follows the head is not HTTP. False: the answer has begun, and can only be cut. */
  malformed(code: RelayProblem): boolean {
    if (this.#reply.started) return false
    this.#problem(code)
    return true
  }

  tooLarge(): void {
    if (this.#reply.started) this.cut('body_too_large')
    else this.#problem('body_too_large')
  }

  lingering(): void {
    this.#client.cut()
  }

  #abort(reason: string): void {
    if (this.#done) return
    // First: an abort comes back at once, as an error that nobody must answer again.
    this.#done = true
    this.#controller?.abort(new Error(reason))
  }

  #problem(code: RelayProblem, detail?: string): void {
    if (this.#reply.started || this.#over) return
    this.#broken = code === 'request_timeout' || code === 'request_malformed' || code === 'framing_ambiguous'
    this.#core.observer.problem?.(code)
    this.#abort(code)
    this.#answer(this.#core.problem(code, detail))
  }

  #answer(answer: Answer): void {
    this.#done = true
    this.#status = answer.status
    const { method, expectsContinue } = this.#head
    // A client that waits for permission to send its body may send it anyway, or not: nothing else may follow here.
    const close = this.#core.stopping || (expectsContinue && !this.#continued) || this.#broken
    sendAnswer(this.#reply, answer, { bodiless: method === 'HEAD', close })
  }
}
