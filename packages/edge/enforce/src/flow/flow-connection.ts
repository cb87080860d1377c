import { Buffer } from 'node:buffer'
import { type Socket, connect as netConnect } from 'node:net'
import {
  type OpenStream,
  type Outcome,
  peerAddress,
  readCarried,
  type StreamTerms,
  streamTerms,
} from '@quantum-ip/point'
import { quantumIpIdentifier } from '@quantum-ip/token'
import type { Verdict } from '@quantum-ip/verifier'
import { plainAddress } from '../gateway/peers.ts'
import type { CutCause } from '../gateway/relay-observer.ts'
import { finishSocket } from '../gateway/tunnel-sockets.ts'
import type { FlowCore, ReadyFlow } from './flow-core.ts'
import type { FlowAddress, FlowRefusal } from './flow-gateway-options.ts'
import { type FlowIdentity, type VerifiedFlow, flowTlvs, readFlowIdentity } from './flow-identity.ts'
import { formatProxyHeader } from './format-proxy-header.ts'
import { readProxyHeader } from './parse-proxy-header.ts'
import type { ProxyHeader } from './proxy-header.ts'

/** Takes a connection: peer, header, verdict, policy, then bytes in both directions until both sides have ended. */
export function takeFlow(core: FlowCore, flow: ReadyFlow, socket: Socket): void {
  new FlowConnection(core, flow, socket).begin()
}

class FlowConnection implements OpenStream {
  before: OpenStream | undefined
  after: OpenStream | undefined
  terms: StreamTerms | undefined
  readonly #core: FlowCore
  readonly #flow: ReadyFlow
  readonly #socket: Socket
  #received: Buffer = Buffer.alloc(0)
  #upstream: Socket | undefined
  #timer: NodeJS.Timeout | undefined
  #over = false

  constructor(core: FlowCore, flow: ReadyFlow, socket: Socket) {
    this.#core = core
    this.#flow = flow
    this.#socket = socket
    core.open.add(this)
    socket.on('error', () => {
      socket.destroy()
    })
    socket.on('close', () => {
      this.#end()
    })
  }

  begin(): void {
    const { socket, flow } = { socket: this.#socket, flow: this.#flow }
    if (!flow.peers.includes(plainAddress(peerAddress(socket)))) {
      this.#refuse('peer_unlisted')
      return
    }
    this.#timer = setTimeout(() => this.#refuse('proxy_timeout'), this.#core.timeouts.headerMs)
    socket.on('readable', this.#read)
    socket.once('end', this.#endedEarly)
  }

  readonly #read = (): void => {
    const bytes = this.#socket.read() as Buffer | null
    if (bytes === null) return
    this.#received = Buffer.concat([this.#received, bytes])
    const read = readProxyHeader(this.#received)
    if (read.kind === 'more') return
    clearTimeout(this.#timer)
    this.#socket.off('readable', this.#read).off('end', this.#endedEarly)
    if (read.kind === 'refused') {
      this.#refuse(read.reason)
      return
    }
    const rest = this.#received.subarray(read.length)
    if (rest.length > 0) this.#socket.unshift(rest)
    // A health check of the proxy: that it got here is the answer.
    if (read.header.command === 'local') this.#socket.destroy()
    else this.#identify(read.header)
  }

  readonly #endedEarly = (): void => {
    this.#refuse('proxy_truncated')
  }

  #identify(header: ProxyHeader): void {
    const names = readFlowIdentity(header.tlvs)
    if (names === undefined) {
      this.#refuse('names_malformed')
      return
    }
    this.#ask(header, names).catch(() => this.#refuse('defect'))
  }

  async #ask(header: ProxyHeader, names: FlowIdentity): Promise<void> {
    const { upstream, route } = this.#flow
    const authority = `${upstream.host}:${upstream.port}`
    const carried = readCarried(names.token === undefined ? [] : ['quantum-ip', names.token])
    const at = {
      method: 'CONNECT',
      scheme: 'http',
      authority,
      target: authority,
      host: upstream.host,
      path: '/',
    } as const
    const outcome = await this.#core.point.judge({ at, carried }, route)
    if (this.#over) return
    this.#act(outcome, header, names)
  }

  #act(outcome: Outcome, header: ProxyHeader, names: FlowIdentity): void {
    const { verdict, decision } = outcome
    if (outcome.action === 'reject') {
      this.#socket.destroy()
      return
    }
    const caller = nameOf(verdict)
    if (decision.enforced && contradicts(names, caller)) {
      this.#refuse('names_contradict')
      return
    }
    const { upstream, quarantineUpstream } = this.#flow
    const to = outcome.action === 'quarantine' ? quarantineUpstream : upstream
    if (to === undefined) {
      this.#refuse('quarantine_closed')
      return
    }
    this.terms = streamTerms(outcome, this.#core.toleranceMs)
    this.#connect(to, header, caller)
  }

  #connect({ host, port }: FlowAddress, header: ProxyHeader, caller: VerifiedFlow | undefined): void {
    const upstream = netConnect({ host, port, allowHalfOpen: true, noDelay: true })
    this.#upstream = upstream
    this.#timer = setTimeout(() => this.#refuse('upstream_unreachable'), this.#core.timeouts.connectMs)
    let joined = false
    upstream.on('error', () => {
      if (joined) this.cut('upstream')
      else this.#refuse('upstream_unreachable')
    })
    upstream.on('connect', () => {
      clearTimeout(this.#timer)
      joined = true
      this.#join(upstream, header, caller)
    })
  }

  #join(upstream: Socket, { source, destination }: ProxyHeader, caller: VerifiedFlow | undefined): void {
    const socket = this.#socket
    if (this.#flow.send === 'proxy-v2') {
      // What is said behind this point is what was found out here; the token goes no further.
      upstream.write(
        formatProxyHeader({ source, destination, tlvs: caller === undefined ? [] : flowTlvs(caller) }),
      )
    }
    for (const side of [socket, upstream]) {
      // What moves on one side moves on the other: an idle side is an idle connection.
      side.setTimeout(this.#flow.idleMs, () => this.cut('client_idle'))
    }
    upstream.on('close', () => socket.destroySoon())
    // `pipe` ends the other side when one has ended, and only then: half-close goes through, and so does back-pressure.
    socket.pipe(upstream)
    upstream.pipe(socket)
  }

  cut(cause: CutCause): void {
    if (this.#over) return
    // A flow has no body that could be too large, and whichever side is silent, both are.
    const told = cause === 'client_idle' || cause === 'body_too_large' ? 'idle' : cause
    this.#core.observer.cut?.(told, this.#flow.route.name)
    this.#upstream?.destroy()
    this.#socket.destroy()
    this.#end()
  }

  #refuse(cause: FlowRefusal): void {
    if (this.#over) return
    this.#core.observer.refused?.(cause, this.#flow.route.name)
    this.#socket.destroy()
    this.#end()
  }

  #end(): void {
    if (this.#over) return
    this.#over = true
    clearTimeout(this.#timer)
    this.#core.open.delete(this)
    if (this.#upstream !== undefined) finishSocket(this.#upstream)
  }
}

function nameOf(verdict: Verdict): VerifiedFlow | undefined {
  if (!verdict.authenticated || verdict.identity === undefined || verdict.token === undefined)
    return undefined
  return {
    identifier: quantumIpIdentifier(verdict.identity, verdict.build?.digest),
    tokenDigest: verdict.token.digest,
  }
}

// Names are hints of the peer: who has no token may have them, but nobody may have those of another.
function contradicts(names: FlowIdentity, caller: VerifiedFlow | undefined): boolean {
  if (caller === undefined) return false
  return differ(names.identifier, caller.identifier) || differ(names.tokenDigest, caller.tokenDigest)
}

function differ(said: Uint8Array | undefined, found: Uint8Array): boolean {
  return said !== undefined && Buffer.compare(said, found) !== 0
}
