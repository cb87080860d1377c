import { PassThrough, Readable } from 'node:stream'
import { runQip } from '../../src/program.ts'

/** How a command line ended. */
export interface Ran {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
  /** `stdout` as JSON. */
  json(): Record<string, unknown>
}

/** Runs a command line in this process: the whole program but for its start. */
export async function run(args: readonly string[], stdin = ''): Promise<Ran> {
  const texts = { stdout: '', stderr: '' }
  const collecting = (name: 'stdout' | 'stderr') => {
    return new PassThrough().on('data', (chunk: Buffer) => {
      texts[name] += chunk.toString()
    })
  }
  const code = await runQip(args, {
    stdin: Readable.from(stdin === '' ? [] : [Buffer.from(stdin)]),
    stdout: collecting('stdout'),
    stderr: collecting('stderr'),
    isTerminal: false,
    showsProgress: false,
  })
  return { code, ...texts, json: () => JSON.parse(texts.stdout) as Record<string, unknown> }
}

/** The text with everything that differs from run to run left out: moments, spans and sizes. */
export function steady(text: string): string {
  return text
    .replaceAll(/\d{4}-\d\d-\d\d \d\d:\d\d:\d\dZ/g, '<moment>')
    .replaceAll(/\d+ characters/g, '<count> characters')
    .replaceAll(/(?:in )?\d+ (?:ms|s|min|h|d)(?: \d+ (?:ms|s|min|h))?(?: ago)?/g, '<span>')
}
