import type { JsonObject } from '@quantum-ip/base'
import { probeParameter, probeType } from '@quantum-ip/enforce'
import { Agent, request } from 'undici'
import { isObject } from '../lib/json.ts'
import type { DoctorHop, DoctorWay } from './hops.ts'
import { digestOf, type ProbeKind } from './probe-kinds.ts'
import { wordOf } from './word-of.ts'

/** What came back of a probe. */
export interface ProbeResult {
  readonly hop: DoctorHop
  readonly kind: ProbeKind
  /** Absent: no connection, or no answer. */
  readonly status?: number
  /** Why there is no answer. */
  readonly error?: string
  /** What the gateway saw; absent where no gateway answered the probe. */
  readonly answer?: JsonObject
  /** The code of a refusal that is ours. */
  readonly code?: string
  readonly reason?: string
  /** Whether the answer has our challenge. */
  readonly challenge: boolean
  /** `Server` and `Via` of the answer. */
  readonly server: string
  readonly via: string
  /** What `Date` said, less this machine's time; milliseconds. */
  readonly dateOffsetMs?: number
  /** This machine's time in the middle of the request. */
  readonly sentMs: number
}

/** Sends probes to the places of a way. */
export interface ProbeSender extends AsyncDisposable {
  send(hop: DoctorHop, kind: ProbeKind, ticket: string | undefined): Promise<ProbeResult>
}

const answerBytesMax = 65_536

/** Opens a sender; `ca` are the certificates to trust for the service, PEM. */
export function openProbeSender(
  way: DoctorWay,
  options: { readonly ca?: string; readonly timeoutMs: number },
): ProbeSender {
  const { ca, timeoutMs } = options
  const agent = new Agent({
    connect: { servername: way.serverName, timeout: timeoutMs, ...(ca !== undefined && { ca }) },
    headersTimeout: timeoutMs,
    bodyTimeout: timeoutMs,
    maxResponseSize: answerBytesMax,
    // A proxy that closes after a refusal must not spoil the next probe.
    pipelining: 0,
  })
  return {
    send: (hop, kind, ticket) => send({ way, agent, hop, kind, ticket }),
    [Symbol.asyncDispose]: () => agent.destroy(),
  }
}

interface Sending {
  readonly way: DoctorWay
  readonly agent: Agent
  readonly hop: DoctorHop
  readonly kind: ProbeKind
  readonly ticket: string | undefined
}

async function send({ way, agent, hop, kind, ticket }: Sending): Promise<ProbeResult> {
  const beganMs = Date.now()
  const empty = { hop, kind, challenge: false, server: '', via: '' }
  try {
    const { statusCode, headers, body } = await request(hop.origin + withTicket(way.target, kind, ticket), {
      dispatcher: agent,
      headers: [
        'host',
        way.host,
        'accept',
        `${probeType}, */*;q=0.1`,
        'user-agent',
        'qip-doctor',
        ...kind.fields,
      ],
    })
    const text = await body.text()
    const sentMs = (beganMs + Date.now()) / 2
    const field = (name: string): string => [headers[name] ?? ''].flat().join(', ').slice(0, 200)
    const dateMs = Date.parse(field('date'))
    return {
      ...empty,
      status: statusCode,
      challenge: /^Quantum-IP\b/i.test(field('www-authenticate')),
      server: field('server'),
      via: field('via'),
      sentMs,
      ...(!Number.isNaN(dateMs) && { dateOffsetMs: dateMs + 500 - sentMs }),
      ...readBody(text, field('content-type')),
    }
  } catch (error) {
    return { ...empty, sentMs: beganMs, error: failureText(error) }
  }
}

function withTicket(target: string, kind: ProbeKind, ticket: string | undefined): string {
  if (ticket === undefined) return target
  const sent = kind.fields.filter((_, at) => at % 2 === 1).map((value) => digestOf(value))
  const digests = [...new Set(sent)].slice(0, 16)
  return `${target}${target.includes('?') ? '&' : '?'}${probeParameter}=${[ticket, ...digests].join('~')}`
}

function readBody(text: string, type: string): Pick<ProbeResult, 'answer' | 'code' | 'reason'> {
  const json = parseObject(text)
  if (json === undefined) return {}
  if (type.startsWith(probeType)) return { answer: json }
  return {
    ...(typeof json['code'] === 'string' && { code: wordOf(json, 'code') }),
    ...(typeof json['reason'] === 'string' && { reason: wordOf(json, 'reason') }),
  }
}

function parseObject(text: string): JsonObject | undefined {
  try {
    const json: unknown = JSON.parse(text)
    return isObject(json as JsonObject) ? (json as JsonObject) : undefined
  } catch {
    return undefined
  }
}

function failureText(error: unknown): string {
  const { code, message } = error as { readonly code?: string; readonly message?: string }
  return [code, message].find((text) => text !== undefined && text !== '')?.slice(0, 160) ?? 'no answer'
}
