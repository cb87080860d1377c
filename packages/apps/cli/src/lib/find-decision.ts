import { stat } from 'node:fs/promises'
import { resolve } from 'node:path'
import { isQipError, type Json, type JsonObject } from '@quantum-ip/base'
import { ClientError, openTransport, requestJson, type Requester } from '@quantum-ip/client'
import { type DecisionIdParts, parseDecisionId } from '@quantum-ip/telemetry'
import { CliError } from '../cli-errors.ts'
import { explainedBy } from './explained-by.ts'
import { isObject } from './json.ts'
import { askAuthority } from './authority.ts'
import type { AuthorityOptions } from './authority-options.ts'
import { findAuthority } from './find-authority.ts'
import type { Config } from '@quantum-ip/http'
import { configOf, pointRoles } from '../up/point-role.ts'
import { pointSocket } from './point-socket.ts'

/** The options of `qip explain`. */
export interface ExplainOptions extends AuthorityOptions {
  readonly point?: string
  readonly policy?: string
}

/** A decision, as far as somebody still knows it. */
export interface FoundDecision {
  readonly id: string
  readonly source: 'enforcement point' | 'authority'
  readonly record: JsonObject
  /** What the policy saw, host and path included. Only the enforcement point has it, and only of recent decisions. */
  readonly facts: JsonObject | undefined
  /** Every rule of the policy with its value. As `facts`. */
  readonly rules: readonly JsonObject[]
  /** Every exception of the policy, likewise. */
  readonly exceptions: readonly JsonObject[]
  /** What would have led to another action. As `facts`. */
  readonly changes: readonly JsonObject[]
}

/**
 * Finds a decision: at the enforcement point that its ID names, whose memory holds the newest with all that explains them, else
 * among the records that the authority collects.
 *
 * @throws {TelemetryError} `QIP_TELEMETRY_DECISION_ID_MALFORMED` · {@link CliError} `QIP_CLI_NOT_FOUND` · `QIP_CLI_UNREACHABLE`
 */
export async function findDecision(id: string, options: ExplainOptions): Promise<FoundDecision> {
  const parts = parseDecisionId(id)
  const address = await pointAddress(parts, options)
  const atPoint = address === undefined ? undefined : await askPoint(address, id)
  if (atPoint !== undefined) {
    const isExplained = atPoint.rules.length + atPoint.exceptions.length > 0
    // Its policy may have been replaced since: then the version that decided is asked for.
    const why = isExplained ? {} : await explainedBy(atPoint, options)
    return { id, source: 'enforcement point', ...atPoint, ...why }
  }
  await using asked = await askAuthority(options)
  const found = await look(asked.requester, id)
  if (found === undefined) {
    throw new CliError('QIP_CLI_NOT_FOUND', {
      what: `record of the decision \`${id}\``,
      next: `it may have been suppressed (each reason has a cap), or be too old; ask ${parts.point} where it runs`,
    })
  }
  return { id, source: 'authority', ...found, ...(await explainedBy(found, options)) }
}

async function pointAddress(
  { point }: DecisionIdParts,
  options: ExplainOptions,
): Promise<string | undefined> {
  if (options.point !== undefined) {
    return options.point.startsWith('unix:') ? `unix:${resolve(options.point.slice(5))}` : options.point
  }
  const { config } = await findAuthority(options)
  const found = config && pointNamed(config, point)
  if (found === undefined) return undefined
  const path = pointSocket(found)
  const isThere = await stat(path).then(
    (found) => found.isSocket(),
    () => false,
  )
  return isThere ? `unix:${path}` : undefined
}

// Threads of one point are called `<name>-<thread>` and answer on one socket. `forward-auth-1` may be a thread, or a point of that name.
function pointNamed(config: Config, point: string): Config | undefined {
  const points = pointRoles.map((role) => configOf(config, role))
  return (
    points.find(({ gateway }) => point === gateway.name) ??
    points.find(({ gateway }) => point.startsWith(`${gateway.name}-`))
  )
}

type Known = Omit<FoundDecision, 'id' | 'source'>

async function askPoint(address: string, id: string): Promise<Known | undefined> {
  await using transport = openTransport({ url: address, attemptsMax: 1, timeoutMs: 5_000 })
  try {
    return await look(transport, id)
  } catch (error) {
    // It is not running: the authority has the record, if it was uploaded.
    if (error instanceof ClientError && error.fault === 'busy') return undefined
    throw error
  }
}

async function look(requester: Requester, id: string): Promise<Known | undefined> {
  try {
    const answer = await requestJson(requester, {
      operation: 'a decision',
      method: 'GET',
      target: `/v1/decisions/${encodeURIComponent(id)}`,
    })
    return known(answer)
  } catch (error) {
    if (isQipError(error, 'QIP_CLIENT_AUTHORITY_REFUSED') && isNotFound(error.details)) return undefined
    throw error
  }
}

// The fault of an error alone picks its status, so that a thing that is not there may be 404, 409 or 400 with its code.
function isNotFound(details: unknown): boolean {
  const { status, code } = details as { readonly status: number; readonly code: string }
  return status === 404 || code === 'QIP_AUTHORITY_NOT_FOUND' || code === 'QIP_CLI_NOT_FOUND'
}

/** `{ record, facts, rules, … }` of an enforcement point, or the record alone. */
function known(answer: Json | undefined): Known | undefined {
  if (answer === undefined || !isObject(answer)) return undefined
  const { record, facts } = answer
  if (record === undefined || !isObject(record)) {
    return { record: answer, facts: undefined, rules: [], exceptions: [], changes: [] }
  }
  return {
    record,
    facts: facts !== undefined && isObject(facts) && 'request.method' in facts ? facts : undefined,
    rules: objects(answer['rules']),
    exceptions: objects(answer['exceptions']),
    changes: objects(answer['changes']),
  }
}

function objects(value: Json | undefined): readonly JsonObject[] {
  return Array.isArray(value) ? value.filter((item) => isObject(item)) : []
}
