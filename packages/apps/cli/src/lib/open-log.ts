import { trustDomainName } from '@quantum-ip/base'
import { openLedger } from '@quantum-ip/client'
import { type NoteVerifierKey, parseVkey } from '@quantum-ip/crypto'
import { type TrustStore, verifierKeyOf } from '@quantum-ip/trust'
import type { Command } from 'commander'
import { CliError } from '../cli-errors.ts'
import { askAuthority } from './authority.ts'
import { type TrustOptions, withTrust } from './authority-options.ts'
import { readAuthorityKeys } from './authority-trust.ts'
import { parseWord, several } from './command.ts'
import { openVerifiedLog, type VerifiedLog } from './log-reader.ts'
import { openLogFolder, openLogUrl } from './log-source.ts'

/** Which log a command line means, and whom to rely on. */
export interface LogChoice extends TrustOptions {
  /** An argument, in front of the options. */
  readonly log?: string | undefined
  readonly directory?: string
  readonly logKey?: readonly string[]
}

/** Adds the options of {@link LogChoice} to a command. */
export function withLog(command: Command): Command {
  return withTrust(
    command
      .option('--directory <path>', 'a log in a directory, or behind a URL (c2sp.org/tlog-tiles)')
      .option('--log-key <vkey>', 'a verifier key of the log (default: what the trust bundle says)', several),
  )
}

/**
 * Opens the log that the command line means, its newest checkpoint verified.
 *
 * @throws {CliError} `QIP_CLI_USAGE` · `QIP_CLI_LOG_UNREADABLE` and so on · {@link LogError}
 */
export async function withOpenLog<Value>(
  options: LogChoice,
  work: (log: VerifiedLog, vkeys: readonly NoteVerifierKey[]) => Promise<Value>,
): Promise<Value> {
  const { directory, log } = options
  if (directory !== undefined) {
    const vkeys = givenKeys(options)
    if (vkeys.length === 0) {
      throw new CliError('QIP_CLI_USAGE', {
        reason: 'nothing says who signs the log in that directory',
        next: '--log-key <vkey>; `qip ledger info` of its authority prints it',
      })
    }
    const source = /^https?:\/\//.test(directory) ? openLogUrl(directory) : openLogFolder(directory)
    return await work(await openVerifiedLog(source, vkeys), vkeys)
  }
  if (log === undefined) {
    throw new CliError('QIP_CLI_USAGE', {
      reason: 'nothing says which log is meant',
      next: 'name one, tokens/1 for example; `qip ledger info` lists the logs',
    })
  }
  await using asked = await askAuthority(options)
  const { store } = await readAuthorityKeys(asked, options, Date.now())
  const origin = originOf(store, log)
  const vkeys = keysOf(options, store, origin)
  const contents = openLedger(asked.requester, { origin, logKeys: vkeys }).contents()
  // Awaited here: the way to the authority is closed when this returns.
  return await work(await openVerifiedLog(contents, vkeys, origin), vkeys)
}

/** The origin of a log by its short or its whole name. */
function originOf({ td }: TrustStore, name: string): string {
  const domain = trustDomainName(td)
  const origin = name.startsWith(`${domain}/`) ? name : `${domain}/${name}`
  if (/^[^/]+\/(?:tokens|attestations)\/[1-9]\d{0,9}$/.test(origin)) return origin
  throw new CliError('QIP_CLI_USAGE', {
    reason: `\`${name.slice(0, 128)}\` is no log of ${domain}`,
    next: 'write tokens/<n> or attestations/<n>; `qip ledger info` lists the logs',
  })
}

function keysOf(options: LogChoice, store: TrustStore, origin: string): readonly NoteVerifierKey[] {
  const given = givenKeys(options)
  const vkeys = given.length > 0 ? given : bundleKeys(store, origin)
  if (vkeys.length > 0) return vkeys
  throw new CliError('QIP_CLI_NOT_FOUND', {
    what: `key of the log \`${origin}\` in the trust bundle`,
    next: '`qip ledger info` lists the logs; a log of a retired key needs --log-key',
  })
}

/** The verifier keys that the bundle names for a log. */
function bundleKeys(store: TrustStore, origin: string): readonly NoteVerifierKey[] {
  const records = [...store.keysOf('qip-log'), ...store.keysOf('qip-token')]
  return records.filter(({ log }) => log === origin).map((record) => verifierKeyOf(record))
}

function givenKeys({ logKey = [] }: LogChoice): readonly NoteVerifierKey[] {
  return logKey.map((vkey) => parseWord('--log-key', () => parseVkey(vkey)))
}
