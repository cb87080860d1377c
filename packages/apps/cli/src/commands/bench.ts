import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import type { Command } from 'commander'
import { CliError } from '../cli-errors.ts'
import { newCommand } from '../lib/command.ts'
import type { Run } from '../lib/io.ts'

/** `qip bench`: the repository's benchmark, where there is a repository around this program. */
export function benchCommand(run: Run): Command {
  return newCommand('bench', "this machine's figures against peers, as ratios in one run")
    .option('--json', 'answer with one JSON object')
    .allowUnknownOption()
    .allowExcessArguments()
    .argument('[rows...]', 'only these rows')
    .action(async (_rows: readonly string[], _options: unknown, command: Command) => {
      const script = fileURLToPath(new URL('../../../../../bench/main.ts', import.meta.url))
      if (!existsSync(script)) {
        const next =
          'clone the repository and run `npm run bench`: the peers that it measures against are not installed with qip'
        throw new CliError('QIP_CLI_NOT_AVAILABLE', { what: 'the benchmark', next })
      }
      const args = [...(command.opts<{ json?: boolean }>().json === true ? ['--json'] : []), ...command.args]
      const child = spawn(process.execPath, [...process.execArgv, script, ...args], { stdio: 'inherit' })
      const code = await new Promise<number | null>((resolve, reject) => {
        child.once('error', reject)
        child.once('close', resolve)
      })
      if (code !== 0) run.end('no')
    })
}
