import type { IncomingMessage, ServerResponse } from 'node:http'
import type { PointAnswer } from '@quantum-ip/point'
import type { JudgedCall, QuantumIp } from '../quantum-ip.ts'
import type { QuantumIpCall } from '../call.ts'
import { holdAnswer } from './hold-answer.ts'
import { readNodeRequest, replaceNodeFields } from './node-request.ts'

/** One request of `node:http` and its answer. */
export interface NodeExchange {
  readonly request: IncomingMessage
  readonly response: ServerResponse
  /** The request target as it arrived, where a framework has rewritten `url`. */
  readonly target?: string | undefined
}

/**
 * Judges a request and, where it may not go on, answers it. `passed` is called where it may: at once, if nothing has to be waited for, and
 * never for a request whose client has gone.
 */
export function guardNode(
  quantumIp: QuantumIp,
  exchange: NodeExchange,
  passed: (call: QuantumIpCall) => void,
): void {
  const judged = quantumIp.judge(readNodeRequest(exchange.request, quantumIp, exchange.target))
  if (!(judged instanceof Promise)) act(exchange, judged, passed)
  // What a handler throws is as loud here as it is where nothing had to be waited for: nothing of it is caught.
  else void judged.then((settled) => act(exchange, settled, passed))
}

function act(
  { request, response }: NodeExchange,
  judged: JudgedCall,
  passed: (call: QuantumIpCall) => void,
): void {
  if (!judged.passes) return sendAnswer(response, judged.answer)
  const { call, fields, hold } = judged
  if (!holdAnswer(hold, response)) return
  replaceNodeFields(request, fields)
  passed(call)
}

/** Sends a refusal, whole. */
export function sendAnswer(response: ServerResponse, { status, fields, body }: PointAnswer): void {
  if (response.headersSent || response.destroyed) return
  response.statusCode = status
  for (let i = 0; i < fields.length; i += 2) response.setHeader(fields[i] as string, fields[i + 1] as string)
  response.setHeader('content-length', Buffer.byteLength(body))
  response.end(body)
}
