import { createReadStream } from 'node:fs'
import type { Json, JsonObject } from '@quantum-ip/base'
import { AnswerReader, type Requester, requestJson } from '@quantum-ip/client'
import type { DecisionRecord } from '@quantum-ip/telemetry'
import { CliError } from '../cli-errors.ts'
import { readLines } from '../conformance/read-lines.ts'
import { fileReason } from './files.ts'
import { isObject } from './json.ts'

const pageSize = 1_000
const lineBytesMax = 65_536

/** What a place with recorded decisions gives: a record, a count of what it does not have, or something that is no record. */
export type Recorded =
  | { readonly kind: 'decision'; readonly record: DecisionRecord }
  | { readonly kind: 'suppressed'; readonly count: number }
  | { readonly kind: 'unreadable' }

/** The records of an export: JSON lines, as decision logs write them. */
export async function* decisionsOfFile(path: string): AsyncGenerator<Recorded> {
  const stream = createReadStream(path)
  try {
    for await (const line of readLines(stream, lineBytesMax)) {
      if ('text' in line && line.text.trim() === '') continue
      yield 'text' in line ? recordedIn(parsed(line.text)) : { kind: 'unreadable' }
    }
  } catch (cause) {
    throw new CliError(
      'QIP_CLI_FILE_UNREADABLE',
      { path, what: 'export of decisions', reason: fileReason(cause) },
      { cause },
    )
  }
}

/** The records of the authority that a query chooses, oldest first, and what was not recorded meanwhile. */
export async function* decisionsOfAuthority(
  requester: Requester,
  query: Readonly<Record<string, string>>,
): AsyncGenerator<Recorded> {
  const operation = 'the decisions'
  let cursor: string | undefined
  do {
    const page = new URLSearchParams({
      ...query,
      order: 'oldest',
      limit: String(pageSize),
      ...(cursor !== undefined && { cursor }),
    })
    const target = `/v1/decisions?${page.toString()}`
    const json = (await requestJson(requester, { operation, method: 'GET', target })) as JsonObject
    const decisions = json['decisions']
    for (const decision of Array.isArray(decisions) ? decisions : []) yield recordedIn(decision)
    cursor = typeof json['cursor'] === 'string' ? json['cursor'] : undefined
  } while (cursor !== undefined)
  const counts = new URLSearchParams(query)
  const target = `/v1/decision-counts?${counts.toString()}`
  const json = (await requestJson(requester, { operation, method: 'GET', target })) as JsonObject
  for (const row of new AnswerReader(json, operation).objects('suppressed', pageSize)) {
    yield { kind: 'suppressed', count: row.integer('count') }
  }
}

function parsed(text: string): Json | undefined {
  try {
    return JSON.parse(text) as Json
  } catch {
    return undefined
  }
}

const texts = ['id', 'service', 'status', 'reason', 'wouldBe', 'point'] as const

// Whoever wrote a file may have written anything: what decides over a record reads only what is checked here.
function recordedIn(value: Json | undefined): Recorded {
  if (value === undefined || !isObject(value)) return { kind: 'unreadable' }
  const inner = value['record']
  const record = inner !== undefined && isObject(inner) ? inner : value
  const count = record['count']
  if (record['kind'] === 'suppressed') {
    return typeof count === 'number' && count >= 0 ? { kind: 'suppressed', count } : { kind: 'unreadable' }
  }
  const { timeMs, policy = null, subject = null } = record
  const isRecord =
    texts.every((name) => typeof record[name] === 'string') &&
    typeof timeMs === 'number' &&
    isObject(policy) &&
    typeof policy['name'] === 'string' &&
    (subject === null || typeof subject === 'string')
  if (!isRecord) return { kind: 'unreadable' }
  return { kind: 'decision', record: { ...record, subject } as unknown as DecisionRecord }
}
