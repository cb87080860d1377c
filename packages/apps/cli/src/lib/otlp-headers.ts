import { CliError } from '../cli-errors.ts'
import { readText } from './files.ts'

const headerForm = /^([!#$%&'*+.^_`|~0-9A-Za-z-]{1,128})\s*:\s*([\t\x20-\x7e]{0,8192})$/
const headersMax = 32

/**
 * Reads the fields that go with each request to a Collector: a `name: value` on each line, empty lines and lines that begin with `#`
 * left out.
 *
 * @throws {CliError} `QIP_CLI_FILE_MALFORMED`; it names the line and never what stands in it.
 */
export async function readOtlpHeaders(path: string): Promise<Readonly<Record<string, string>>> {
  const what = 'list of header fields'
  const lines = (await readText({ path, what })).split(/\r?\n/)
  const headers: Record<string, string> = {}
  for (const [at, line] of lines.entries()) {
    if (line.trim() === '' || line.startsWith('#')) continue
    const [, name, value] = headerForm.exec(line) ?? []
    if (name === undefined || value === undefined) {
      throw new CliError('QIP_CLI_FILE_MALFORMED', {
        path,
        what,
        reason: `line ${at + 1} is no \`name: value\``,
      })
    }
    headers[name.toLowerCase()] = value.trimEnd()
  }
  if (Object.keys(headers).length > headersMax) {
    throw new CliError('QIP_CLI_FILE_MALFORMED', { path, what, reason: `more than ${headersMax} fields` })
  }
  return headers
}
