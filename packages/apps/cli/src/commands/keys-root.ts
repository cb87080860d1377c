import type { Command } from 'commander'
import { CliError } from '../cli-errors.ts'
import { answer, newAnswer } from '../lib/command.ts'
import type { Run } from '../lib/io.ts'
import type { OutputOptions } from '../lib/output.ts'
import { offlineRootCommands } from './keys-root-offline.ts'
import { onlineRootCommands } from './keys-root-online.ts'

interface RootOptions extends OutputOptions {
  readonly rehearsal?: boolean
}

/** `qip keys root`: the ceremony of the root keys. */
export function keysRootCommand(run: Run): Command {
  const root = newAnswer('root', 'root keys: take them offline, sign and install the next root document')
    .option(
      '--rehearsal',
      'the whole ceremony with throwaway keys in a folder that is removed, each step checked',
    )
    .action((options: RootOptions) =>
      answer(run, options, async (output) => {
        if (options.rehearsal !== true) {
          throw new CliError('QIP_CLI_USAGE', {
            reason: 'a command is missing',
            next: 'see `qip keys root --help`, or try --rehearsal; the ceremony is written down in docs/guides/root-ceremony.md',
          })
        }
        // Loaded only here: it starts an authority.
        const { rehearse } = await import('../root-ceremony/rehearsal.ts')
        await rehearse(output, run)
      }),
    )
  for (const command of [...onlineRootCommands(run), ...offlineRootCommands(run)]) root.addCommand(command)
  return root
}
