import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'
import { STATUS_CODES } from 'node:http'
import type { PointAnswer } from '@quantum-ip/point'
import type { QuantumIpCall } from './call.ts'
import { guardNode } from './lib/node-guard.ts'
import { holdSocket } from './lib/hold-answer.ts'
import { readNodeRequest, replaceNodeFields } from './lib/node-request.ts'
import type { QuantumIp } from './quantum-ip.ts'

/** A request whose caller was judged. */
export type VerifiedRequest = IncomingMessage & { readonly quantumIp: QuantumIpCall }

/** Handles requests of callers that may go on. */
export type VerifiedHandler = (request: VerifiedRequest, response: ServerResponse) => unknown

/**
 * A listener for `createServer` of `node:http`, `node:https` and `node:http2` (compatibility API): calls `handler` for requests that may go
 * on, and answers all others itself.
 */
export function verified(
  quantumIp: QuantumIp,
  handler: VerifiedHandler,
): (request: IncomingMessage, response: ServerResponse) => void {
  return (request, response) => {
    guardNode(quantumIp, { request, response }, (call) => {
      handler(Object.assign(request, { quantumIp: call }), response)
    })
  }
}

/** Handles upgrades, to WebSocket say, of callers that may go on. */
export type VerifiedUpgrade = (request: VerifiedRequest, socket: Duplex, head: Buffer) => unknown

/**
 * A listener for the event `upgrade`. The caller is judged when it connects; with `cut` the connection ends with its token, or when that
 * is revoked.
 */
export function verifiedUpgrade(
  quantumIp: QuantumIp,
  handler: VerifiedUpgrade,
): (request: IncomingMessage, socket: Duplex, head: Buffer) => void {
  return (request, socket, head) => {
    // Until the handler has it, nobody listens; an unheard error would end the process.
    const onError = (): void => void socket.destroy()
    socket.on('error', onError)
    Promise.resolve(quantumIp.judge(readNodeRequest(request, quantumIp)))
      .then((judged) => {
        if (!judged.passes) return void socket.end(rawAnswer(judged.answer))
        const { call, fields, hold } = judged
        if (!holdSocket(hold, socket)) return
        replaceNodeFields(request, fields)
        socket.off('error', onError)
        handler(Object.assign(request, { quantumIp: call }), socket, head)
      })
      .catch(() => socket.destroy())
  }
}

function rawAnswer({ status, fields, body }: PointAnswer): string {
  const lines = [`HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}`, 'connection: close']
  for (let i = 0; i < fields.length; i += 2) lines.push(`${fields[i]}: ${fields[i + 1]}`)
  return [...lines, `content-length: ${Buffer.byteLength(body)}`, '', body].join('\r\n')
}
