import { stat } from 'node:fs/promises'
import { isQipError, type JsonObject } from '@quantum-ip/base'
import { AnswerReader, type JsonRequest, openTransport, requestJson } from '@quantum-ip/client'
import {
  type BurnWindow,
  burnWindows,
  type LevelId,
  serviceLevels,
  type SharesByWindow,
} from '@quantum-ip/telemetry'
import { CliError } from '../cli-errors.ts'
import { askAuthority } from './authority.ts'
import type { AuthorityOptions } from './authority-options.ts'
import { findAuthority } from './find-authority.ts'
import { addLevels, type CountedLevel, type LevelSource } from './level-source.ts'
import { pointSocket } from './point-socket.ts'
import { textOf } from './text-of.ts'

const operation = 'the service levels'
const request: JsonRequest = { operation, method: 'GET', target: '/v1/slo' }
const levelsMax = 10_000

/**
 * What the running processes of a configuration have counted: its enforcement point, by the operators' socket, and its authority. One
 * process that is both counts once.
 *
 * @throws {CliError} `QIP_CLI_UNREACHABLE` if none can be asked
 */
export async function nodeLevels(options: AuthorityOptions): Promise<LevelSource> {
  const asked = [
    { name: 'enforcement point', answer: await tried(() => askPoint(options)) },
    { name: 'authority', answer: await tried(() => askOwnAuthority(options)) },
  ]
  const answers = asked.flatMap(({ name, answer }) => (typeof answer === 'string' ? [] : [{ name, answer }]))
  const missing = asked.flatMap(({ name, answer }) =>
    typeof answer === 'string' ? [`${name}: ${answer}`] : [],
  )
  if (answers.length === 0) {
    throw new CliError('QIP_CLI_UNREACHABLE', {
      what: 'the enforcement point and the authority',
      reason: missing.join('; '),
      next: 'run it where `quantum-ip.yaml` of a running node is, or ask a Prometheus server with --prometheus',
    })
  }
  const processes = new Map(
    answers.map(({ name, answer }) => [textOf(answer, 'process') || name, { name, answer }]),
  )
  const each = [...processes.values()]
  return {
    name: answers.map(({ name }) => name).join(' and '),
    sinceMs: Math.min(...each.map(({ answer }) => answer.integer('sinceMs'))),
    levels: addLevels(each.flatMap(({ answer }) => readLevels(answer))),
    missing,
  }
}

/** An answer, or why there is none. */
async function tried(ask: () => Promise<JsonObject>): Promise<AnswerReader | string> {
  try {
    const answer = new AnswerReader(await ask(), operation)
    return answer.has('sinceMs') ? answer : 'it does not count them'
  } catch (error) {
    if (isQipError(error)) return error.message
    throw error
  }
}

async function askPoint(options: AuthorityOptions): Promise<JsonObject> {
  const { config } = await findAuthority(options)
  if (config === undefined) throw notThere('no configuration names it')
  const path = pointSocket(config)
  const isThere = await stat(path).then(
    (found) => found.isSocket(),
    () => false,
  )
  if (!isThere) throw notThere(`nothing listens on ${path}`)
  const transport = openTransport({ url: `unix:${path}` })
  try {
    return (await requestJson(transport, request)) as JsonObject
  } finally {
    await transport.close()
  }
}

async function askOwnAuthority(options: AuthorityOptions): Promise<JsonObject> {
  await using asked = await askAuthority(options)
  return (await requestJson(asked.requester, request)) as JsonObject
}

function notThere(reason: string): CliError {
  return new CliError('QIP_CLI_UNREACHABLE', { what: 'the enforcement point', reason, next: undefined })
}

function readLevels(answer: AnswerReader): readonly CountedLevel[] {
  const known = new Set<string>(serviceLevels.map(({ id }) => id))
  return answer.objects('levels', levelsMax).flatMap((level) => {
    const id = level.text('id')
    if (!known.has(id)) return []
    return [{ id: id as LevelId, service: level.optionalText('service'), shares: readShares(level) }]
  })
}

function readShares(level: AnswerReader): SharesByWindow {
  const windows = level.object('windows')
  const entries = (Object.keys(burnWindows) as BurnWindow[]).map((name) => {
    const [bad, total] = windows.list(name, 2).map(Number)
    return [name, { bad: count(bad), total: count(total) }]
  })
  return Object.fromEntries(entries) as SharesByWindow
}

function count(value: number | undefined): number {
  return value !== undefined && Number.isFinite(value) && value >= 0 ? value : 0
}
