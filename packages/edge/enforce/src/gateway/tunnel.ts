import { type IncomingMessage, ServerResponse, request as httpRequest } from 'node:http'
import { request as httpsRequest } from 'node:https'
import type { Socket } from 'node:net'
import { type ClientCertificate, type OpenStream, peerCertificate, type StreamTerms } from '@quantum-ip/point'
import type { Answer, Decision, Pass } from './decision.ts'
import { addForwarding } from './peers.ts'
import type { RelayProblem } from './problem.ts'
import type { RelayCore } from './relay-core.ts'
import type { CutCause } from './relay-observer.ts'
import { sendAnswer } from './reply.ts'
import { Http1Reply } from './reply-http1.ts'
import { type ArrivedRequest, type HeadHooks, type ReadHead, readHead } from './request-head.ts'
import { responseFields } from './response-fields.ts'
import { connectTo, finishSocket, switchingHead } from './tunnel-sockets.ts'
import { upstreamProblem } from './upstream-failure.ts'

/** An upgrade as it arrives. */
export interface TunnelParts {
  readonly request: IncomingMessage
  readonly socket: Socket
  /** What the client sent right behind the head, without waiting for the answer. */
  readonly early: Buffer
  readonly arrived: ArrivedRequest
}

/** Takes a request to upgrade: guard, upstream, then bytes in both directions until both sides have ended. */
export function openTunnel(core: RelayCore, parts: TunnelParts): void {
  // The runtime has let go of the connection: its errors and time-outs are ours now.
  parts.socket.on('error', () => {
    parts.socket.destroy()
  })
  parts.socket.setTimeout(0)
  const head =
    core.inFlight.value >= core.limits.inFlightMax
      ? ({ refused: 'overloaded' } as const)
      : readHead(parts.arrived, core.rules)
  if ('refused' in head) {
    core.observer.problem?.(head.refused)
    answerOn(parts, core.problem(head.refused, head.detail))
    return
  }
  new Tunnel(core, parts, head).begin()
}

function answerOn(parts: TunnelParts, answer: Answer): void {
  sendAnswer(
    replyOn(parts, () => {}),
    answer,
    { bodiless: false, close: true },
  )
}

// A response of the runtime over the bare connection, so that an upgrade that is refused gets a proper one.
function replyOn({ request, socket }: TunnelParts, closed: () => void): Http1Reply {
  const response = new ServerResponse(request)
  response.shouldKeepAlive = false
  response.assignSocket(socket)
  response.on('finish', () => {
    socket.destroySoon()
  })
  return new Http1Reply(response, { drained() {}, closed })
}

class Tunnel implements OpenStream, HeadHooks {
  before: OpenStream | undefined
  after: OpenStream | undefined
  readonly #core: RelayCore
  readonly #parts: TunnelParts
  readonly #head: ReadHead
  readonly #beganMs: number
  #pass: Pass | undefined
  #counted = false
  #upstreamSocket: Socket | undefined
  #stopRequest: (() => void) | undefined
  #status = 0
  #over = false

  constructor(core: RelayCore, parts: TunnelParts, head: ReadHead) {
    this.#core = core
    this.#parts = parts
    this.#head = head
    this.#beganMs = core.clock.now()
    core.open.add(this)
    parts.socket.on('close', () => {
      this.#end()
    })
  }

  get terms(): StreamTerms | undefined {
    return this.#pass?.terms
  }

  begin(): void {
    this.#head.hooks = this
    this.#ask().then(
      (decision) => {
        this.#apply(decision)
      },
      () => {
        this.#problem('defect')
      },
    )
  }

  async #ask(): Promise<Decision> {
    return this.#core.guard(this.#head)
  }

  certificate(): ClientCertificate | undefined {
    return peerCertificate(this.#parts.socket)
  }

  // An upgrade has no body.
  readBody(): Promise<Buffer> {
    return Promise.resolve(Buffer.alloc(0))
  }

  #apply(decision: Decision): void {
    if (decision.action === 'answer') {
      this.#answer(decision)
      return
    }
    if (this.#over) {
      decision.release?.()
      return
    }
    this.#pass = decision
    if (!decision.upstream.enter()) {
      this.#problem('upstream_saturated')
      return
    }
    this.#counted = true
    this.#connect(decision)
  }

  #connect(pass: Pass): void {
    const { upstream } = pass
    const { connectMs, responseMs } = this.#core.timeouts
    const connection = connectTo(upstream)
    const outgoing = (upstream.connect.secure ? httpsRequest : httpRequest)({
      method: 'GET',
      path: this.#head.forward,
      headers: this.#fields(pass, this.#parts.request.headers.upgrade ?? ''),
      setHost: false,
      createConnection: () => connection,
    })
    this.#stopRequest = () => outgoing.destroy()
    let timer = this.#limit(connectMs, 'upstream_connect_timeout')
    connection.once(upstream.connect.secure ? 'secureConnect' : 'connect', () => {
      clearTimeout(timer)
      timer = this.#limit(responseMs, 'upstream_timeout')
    })
    outgoing.on('upgrade', (response, upstreamSocket: Socket, first: Buffer) => {
      clearTimeout(timer)
      this.#join(response, upstreamSocket, first)
    })
    outgoing.on('response', (response) => {
      clearTimeout(timer)
      this.#declined(response)
    })
    outgoing.on('error', (error) => {
      clearTimeout(timer)
      this.#problem(upstreamProblem(error))
    })
    outgoing.end()
  }

  #limit(ms: number, code: RelayProblem): NodeJS.Timeout | undefined {
    if (ms === 0) return undefined
    return setTimeout(() => {
      this.#problem(code)
    }, ms)
  }

  #fields(pass: Pass, protocol: string): string[] {
    const { upstream } = pass
    const head = this.#head
    const fields = [
      'host',
      upstream.keepsHost ? head.authority : upstream.connect.authority,
      ...head.scan.forward,
    ]
    addForwarding(fields, head.scan, {
      peer: head.peer,
      scheme: head.scheme,
      authority: head.authority,
      via: this.#core.via1,
    })
    if (pass.fields !== undefined) fields.push(...pass.fields)
    fields.push('connection', 'upgrade', 'upgrade', protocol)
    return fields
  }

  // The upstream has switched protocols: from here on the relay understands nothing and moves bytes.
  #join(response: IncomingMessage, upstreamSocket: Socket, first: Buffer): void {
    if (this.#over) {
      upstreamSocket.destroy()
      return
    }
    this.#status = 101
    this.#upstreamSocket = upstreamSocket
    const { socket, early } = this.#parts
    socket.write(switchingHead(response), 'latin1')
    if (first.length > 0) socket.write(first)
    if (early.length > 0) upstreamSocket.write(early)
    const idleMs = this.#core.timeouts.tunnelIdleMs
    for (const side of [socket, upstreamSocket]) {
      // What moves on one side moves on the other: an idle side is an idle tunnel.
      side.setTimeout(idleMs, () => {
        this.cut('client_idle')
      })
      side.setNoDelay(true)
    }
    upstreamSocket.on('error', () => {
      this.cut('upstream')
    })
    upstreamSocket.on('close', () => {
      // Both halves ended: what is written goes out first. Otherwise `error` came before.
      socket.destroySoon()
    })
    // `pipe` ends the other side when one has ended, and only then: half-close goes through.
    socket.pipe(upstreamSocket)
    upstreamSocket.pipe(socket)
  }

  // No upgrade but an ordinary response: it goes to the client as it is.
  #declined(response: IncomingMessage): void {
    if (this.#over) {
      response.destroy()
      return
    }
    this.#status = response.statusCode ?? 502
    const reply = replyOn(this.#parts, () => {})
    const fields = responseFields(response.rawHeaders, { trailers: false })
    reply.start({ status: this.#status, reason: response.statusMessage, ...fields, close: true })
    response.on('data', (chunk: Buffer) => {
      if (!reply.write(chunk)) {
        response.pause()
        this.#parts.socket.once('drain', () => response.resume())
      }
    })
    response.on('end', () => {
      reply.end([])
    })
    response.on('error', () => {
      this.cut('upstream')
    })
  }

  cut(cause: CutCause): void {
    if (this.#over) return
    this.#core.observer.cut?.(cause)
    this.#parts.socket.destroy()
    this.#end()
  }

  #problem(code: RelayProblem): void {
    if (this.#over || this.#status !== 0) return
    this.#core.observer.problem?.(code)
    this.#stopRequest?.()
    this.#answer(this.#core.problem(code))
  }

  #answer(answer: Answer): void {
    if (this.#over) return
    this.#status = answer.status
    answerOn(this.#parts, answer)
  }

  #end(): void {
    if (this.#over) return
    this.#over = true
    this.#core.open.delete(this)
    this.#stopRequest?.()
    if (this.#upstreamSocket !== undefined) finishSocket(this.#upstreamSocket)
    const pass = this.#pass
    if (pass !== undefined && this.#counted) pass.upstream.leave()
    pass?.release?.()
    const durationMs = this.#core.clock.now() - this.#beganMs
    this.#core.finished({ upstream: pass?.upstream.name, status: this.#status, durationMs })
  }
}
