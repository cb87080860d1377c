import { isMap, isSeq, parseDocument } from 'yaml'
import { CliError } from '../cli-errors.ts'

/** An exception of a policy, as its text has it. */
export interface NewException {
  readonly name: string
  readonly owner: string
  readonly reason: string
  readonly expires: string
  readonly when: string
  readonly action: string
}

/**
 * The text of a policy with one more exception and another version; comments and spelling of everything else stay.
 *
 * @throws {CliError} `QIP_CLI_FILE_MALFORMED` for a text that is no policy
 */
export function addException(
  text: string,
  { version, exception }: { readonly version: number; readonly exception: NewException },
): string {
  const document = parseDocument(text)
  const spec = document.get('spec')
  if (document.errors.length > 0 || !isMap(spec)) {
    throw new CliError('QIP_CLI_FILE_MALFORMED', {
      path: 'the policy',
      what: 'policy',
      reason: 'it has no `spec`',
    })
  }
  document.setIn(['metadata', 'version'], version)
  const node = document.createNode(exception)
  const exceptions = spec.get('exceptions')
  if (isSeq(exceptions)) exceptions.add(node)
  else spec.set('exceptions', document.createNode([exception]))
  return document.toString({ lineWidth: 0 })
}
