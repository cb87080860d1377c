import type { Command } from 'commander'
import { answer, newAnswer } from '../lib/command.ts'
import { custodyConfig } from '../lib/custody-config.ts'
import type { Run } from '../lib/io.ts'
import { type Output, type OutputOptions, tone } from '../lib/output.ts'

interface PassphraseOptions extends OutputOptions {
  readonly to: string
  readonly config?: string
  readonly keys?: string
  readonly from?: string
}

/** `qip keys passphrase`: seals custody with another passphrase, on the authority's machine. */
export function keysPassphraseCommand(run: Run): Command {
  return newAnswer(
    'passphrase',
    'seal the private keys in files with another passphrase; the authority may run meanwhile',
  )
    .requiredOption('--to <file>', 'the new passphrase, mode 0600')
    .option(
      '--config <file>',
      'the configuration that says where they are (default: quantum-ip.yaml, if there is one)',
    )
    .option('--keys <folder>', 'where they are, instead of a configuration')
    .option('--from <file>', 'the passphrase of now (default: the configured one, or the one that was drawn)')
    .action((options: PassphraseOptions) => answer(run, options, (output) => change(output, options)))
}

async function change(output: Output, { to, config, keys, from }: PassphraseOptions): Promise<void> {
  const { changePassphrase } = await import('@quantum-ip/custody')
  const { directory, passphrase } =
    keys === undefined ? await custodyConfig(config) : { directory: keys, passphrase: undefined }
  const before = from === undefined ? passphrase : { file: from }
  await changePassphrase({
    folder: directory,
    to: { file: to },
    ...(before !== undefined && { from: before }),
  })
  output.show({ directory, passphraseFile: to }, () => {
    output.line(tone('good', 'ok'), `\`${directory}\` is sealed with the passphrase in \`${to}\``)
    output.line(
      '  next: name it in the configuration before the authority starts again: custody.passphraseFile',
    )
    output.line('  a copy of the folder from before still opens with the passphrase of before')
  })
}
