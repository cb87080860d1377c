import type { Command } from 'commander'
import { several } from './command.ts'
import type { AuthorityChoice } from './find-authority.ts'
import type { OutputOptions } from './output.ts'

/** The options of every command that asks an authority. */
export interface AuthorityOptions extends OutputOptions, AuthorityChoice {
  readonly credentialFile?: string
  readonly ca?: string
}

/** Adds the options of {@link AuthorityOptions} to a command. */
export function withAuthority(command: Command): Command {
  return command
    .option(
      '--authority <url>',
      'https://host:port, http://127.0.0.1:port or unix:/path (several: the first that answers)',
      several,
    )
    .option('--credential-file <file>', "an operator's credential; not needed over the Unix socket")
    .option('--ca <file>', "PEM certificates to trust for the authority's address")
    .option('--config <file>', 'the configuration to find it by (default: quantum-ip.yaml, if there is one)')
}

/** The options of commands that verify what an authority signed. */
export interface TrustOptions extends AuthorityOptions {
  readonly root?: readonly string[]
  readonly rootThreshold?: string
  readonly trustAuthority?: boolean
}

/** Adds the options of {@link TrustOptions} to a command. */
export function withTrust(command: Command): Command {
  return withAuthority(command)
    .option(
      '--root <thumbprint>',
      'a root key that trust starts from; once for each (default: of the configuration)',
      several,
    )
    .option('--root-threshold <n>', 'how many of them must have signed')
    .option('--trust-authority', 'take the root keys that the authority names, this once')
}
