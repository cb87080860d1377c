import type { Readable, Writable } from 'node:stream'
import type { Outcome } from '../exit-codes.ts'

/** What a command talks to. */
export interface Io {
  readonly stdin: Readable
  readonly stdout: Writable
  readonly stderr: Writable
  /** Whether a person reads `stdout` on a terminal: then there are colours. */
  readonly isTerminal: boolean
  /** Whether a person reads `stderr` on a terminal: then there is progress. */
  readonly showsProgress: boolean
}

/** How a command tells what came of it; nothing told is `ok`. */
export interface Run extends Io {
  end(outcome: Outcome): void
}

/** The streams of this process. */
export function processIo(): Io {
  const { stdin, stdout, stderr } = process
  // Whoever reads may stop early (`qip … | head`): that is no error.
  for (const stream of [stdout, stderr]) {
    stream.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code !== 'EPIPE') throw error
      process.exit(0)
    })
  }
  const plain = process.env['NO_COLOR'] !== undefined && process.env['NO_COLOR'] !== ''
  const forced = /^[1-3]$/.test(process.env['FORCE_COLOR'] ?? '')
  return {
    stdin,
    stdout,
    stderr,
    isTerminal: forced || (stdout.isTTY && !plain),
    showsProgress: stderr.isTTY,
  }
}
