import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { parseJson, parseTrustDomain, utf8 } from '@quantum-ip/base'
import { directoryStore } from '@quantum-ip/mirror'
import { pinsOf, type RootPins, TrustStore } from '@quantum-ip/trust'
import { CliError } from '../cli-errors.ts'
import type { AskedAuthority } from './authority.ts'
import type { TrustOptions } from './authority-options.ts'
import { readAuthorityKeys } from './authority-trust.ts'
import { isObject } from './json.ts'

const file = 'domain.json'

/**
 * A trust store with the pins of a trust domain, empty: by the command line or the configuration, by what was kept in `folder` at the first
 * start, or by asking the authority, which then has to be there.
 *
 * @throws {CliError} `QIP_CLI_TRUST_UNPINNED` · `QIP_CLI_UNREACHABLE` · `QIP_CLI_FILE_MALFORMED`
 */
export async function openPinnedStore(
  asked: AskedAuthority,
  options: TrustOptions,
  folder: string,
): Promise<TrustStore> {
  const { config } = asked
  const given = options.root === undefined ? (config?.trust.rootThumbprints ?? []) : []
  if (config !== undefined && given.length > 0)
    return storeOf(config.trustDomain, { thumbprints: given, threshold: config.trust.rootThreshold })
  const kept = options.root === undefined ? await readKept(folder) : undefined
  if (kept !== undefined) return storeOf(kept.td, kept.pins)
  const { store } = await readAuthorityKeys(asked, options, Date.now())
  const { root } = store
  if (root === undefined) throw new CliError('QIP_CLI_DEFECT', { reason: 'there is no root document' })
  const pins = pinsOf(root)
  await directoryStore(folder, { mode: 0o600 }).write(
    file,
    utf8(`${JSON.stringify({ td: store.td, pins })}\n`),
    'json',
  )
  return storeOf(store.td, pins)
}

function storeOf(td: string, pins: RootPins): TrustStore {
  return new TrustStore({ td: parseTrustDomain(td), pins, composites: true })
}

async function readKept(
  folder: string,
): Promise<{ readonly td: string; readonly pins: RootPins } | undefined> {
  const path = join(folder, file)
  const text = await readFile(path, 'utf8').catch(() => undefined)
  if (text === undefined) return undefined
  const json = parseJson(text)
  const pins = isObject(json) ? json['pins'] : undefined
  if (isObject(json) && typeof json['td'] === 'string' && pins !== undefined && isObject(pins)) {
    return { td: json['td'], pins: pins as unknown as RootPins }
  }
  const details = { path, what: 'trust domain', reason: 'it has no pins' }
  throw new CliError('QIP_CLI_FILE_MALFORMED', details)
}
