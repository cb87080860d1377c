import { CliError } from '../cli-errors.ts'
import type { Io } from './io.ts'

const charsMax = 16_384

/**
 * A token from the command line, or from stdin where it is `-` or absent: what stands on a command line, others on this machine
 * may see.
 *
 * @throws {CliError} `QIP_CLI_USAGE`
 */
export async function readTokenArgument(io: Io, argument: string | undefined): Promise<string> {
  if (argument !== undefined && argument !== '-') return argument.trim()
  let text = ''
  for await (const chunk of io.stdin) {
    text += String(chunk)
    if (text.length > charsMax) break
  }
  // A header line, as `qip token issue --headers` prints it, will do.
  const token = (text.split('\n', 1)[0] ?? '').trim().replace(/^quantum-ip:\s*/i, '')
  if (token !== '') return token
  throw new CliError('QIP_CLI_USAGE', { reason: 'there is no token', next: 'name it, or pipe it in' })
}
