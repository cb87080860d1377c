import type { JsonObject } from '@quantum-ip/base'
import { type JsonRequest, requestJson } from '@quantum-ip/client'
import { askAuthority } from './authority.ts'
import type { AuthorityOptions } from './authority-options.ts'

/**
 * Asks the authority one thing and closes the way to it again.
 *
 * @throws {CliError} `QIP_CLI_UNREACHABLE` · `QIP_CLI_CREDENTIAL_MISSING`
 */
export async function askJson(options: AuthorityOptions, request: JsonRequest): Promise<JsonObject> {
  await using asked = await askAuthority(options)
  return (await requestJson(asked.requester, request)) as JsonObject
}
