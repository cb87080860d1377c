import { nearest } from '@quantum-ip/base'
import { type Command, CommanderError } from 'commander'
import { CliError } from './cli-errors.ts'
import { commands } from './commands.ts'
import { exitCodes, type Outcome } from './exit-codes.ts'
import { newCommand } from './lib/command.ts'
import { dashedThumbprint } from './lib/dashed-thumbprint.ts'
import type { Io, Run } from './lib/io.ts'
import { codedError, outcomeOf, tellError } from './lib/tell-error.ts'
import { programVersion } from './lib/program-version.ts'

/**
 * Runs one command line, without the program's own name, and returns its exit code.
 *
 * Never throws: an error is told as its message, what to do next and an exit code; with `--json` as one object
 * `{ code, message, next }` on stdout.
 */
export async function runQip(args: readonly string[], io: Io): Promise<number> {
  let outcome: Outcome = 'ok'
  const run: Run = { ...io, end: (ended) => (outcome = ended) }
  let program: Command | undefined
  try {
    program = await programFor(args, run)
    if (args.length === 0) program.help()
    await program.parseAsync(dashedThumbprint(args), { from: 'user' })
  } catch (thrown) {
    if (thrown instanceof CommanderError && thrown.exitCode === 0) return exitCodes.ok.code
    const error = codedError(thrown, words(args, program))
    tellError(io, error, args.includes('--json'))
    outcome = outcomeOf(error)
  }
  return exitCodes[outcome].code
}

async function programFor(args: readonly string[], run: Run): Promise<Command> {
  const program = newCommand('qip', 'Quantum IP: who calls, from which build, on every request')
    .configureOutput({ writeOut: (text) => run.stdout.write(text), writeErr: () => undefined })
    .enablePositionalOptions()
    .option('-V, --version', 'print the version')
    .on('option:version', () => {
      run.stdout.write(`${programVersion()}\n`)
      throw new CommanderError(0, 'commander.version', '')
    })
    .addHelpText('after', exitCodeHelp())
  const name = args.find((arg) => !arg.startsWith('-'))
  if (name !== undefined && !Object.hasOwn(commands, name)) throw unknownCommand(name)
  for (const [known, { summary, load }] of Object.entries(commands)) {
    const command = known === name ? (await load())(run) : newCommand(known, summary)
    program.addCommand(writingTo(command, run))
  }
  return program
}

// Help of a command goes where answers go, whoever made the command.
function writingTo(command: Command, run: Run): Command {
  command.configureOutput({ writeOut: (text) => run.stdout.write(text), writeErr: () => undefined })
  command.exitOverride()
  for (const sub of command.commands) writingTo(sub, run)
  return command
}

/** The command that was called, as far as it is one: `token issue`. */
function words(args: readonly string[], program: Command | undefined): string {
  const found: string[] = []
  let commands = program?.commands ?? []
  for (const arg of args.filter((each) => !each.startsWith('-'))) {
    const command = commands.find((each) => each.name() === arg)
    if (command === undefined) break
    found.push(arg)
    commands = command.commands
  }
  return found.join(' ')
}

function unknownCommand(name: string): CliError {
  return new CliError('QIP_CLI_COMMAND_UNKNOWN', { name, nearest: nearest(name, Object.keys(commands)) })
}

function exitCodeHelp(): string {
  const rows = Object.values(exitCodes).map(({ code, meaning }) => `  ${String(code).padEnd(4)}${meaning}`)
  return `\nExit codes:\n${rows.join('\n')}\n`
}
