import { once } from 'node:events'
import type { Writable } from 'node:stream'
import type { JsonObject } from '@quantum-ip/base'
import { CliError } from '../cli-errors.ts'
import { answerLine, refusal } from './answer-line.ts'
import { type Line, lineBytesMax, readLines } from './read-lines.ts'

/** How many lines were answered, and how many of them with `ok: false`. */
export interface ConformanceCount {
  readonly lines: number
  readonly refused: number
}

/**
 * Answers each line of `input` with one line on `output`, in order, until the input ends.
 *
 * One line at a time: the answer to a line is written before the next one is looked at, so that a driver may wait for it.
 */
export async function runConformance(
  input: AsyncIterable<Uint8Array>,
  output: Writable,
): Promise<ConformanceCount> {
  let lines = 0
  let refused = 0
  for await (const line of readLines(input)) {
    const answer = await answerOf(line)
    lines++
    if (answer['ok'] !== true) refused++
    if (!output.write(`${JSON.stringify(answer)}\n`)) await once(output, 'drain')
  }
  return { lines, refused }
}

async function answerOf(line: Line): Promise<JsonObject> {
  if ('text' in line) return answerLine(line.text)
  const error =
    line.refused === 'too long'
      ? new CliError('QIP_CLI_LINE_TOO_LONG', { bytesMax: lineBytesMax })
      : new CliError('QIP_CLI_LINE_MALFORMED', { reason: 'it is not UTF-8' })
  return refusal(null, error)
}
