import { isQipError } from '@quantum-ip/base'
import type { Command } from 'commander'
import { CliError } from '../cli-errors.ts'
import type { Outcome } from '../exit-codes.ts'
import type { Run } from './io.ts'
import { Output, type OutputOptions } from './output.ts'
import { StrictCommand } from './strict-command.ts'

/** A command that says nothing by itself: what is wrong with a command line is thrown, and told like every other error. */
export function newCommand(name: string, summary: string): Command {
  return new StrictCommand(name)
    .description(summary)
    .exitOverride()
    .configureOutput({ writeErr: () => undefined })
    .helpCommand(false)
    .allowExcessArguments(false)
}

/** {@link newCommand} for one that answers, with `--json`. */
export function newAnswer(name: string, summary: string): Command {
  return newCommand(name, summary).option('--json', 'answer with one JSON object')
}

/** Runs a command's work and tells how it ended. */
export async function answer(
  run: Run,
  options: OutputOptions,
  work: (output: Output) => Promise<Outcome | void> | Outcome | void,
): Promise<void> {
  run.end((await work(new Output(run, options))) ?? 'ok')
}

/** Collects an option that may be given several times. */
export function several(value: string, before: readonly string[] | undefined): readonly string[] {
  return [...(before ?? []), value]
}

/**
 * Runs a parser over what stands on the command line, and says which word of it is wrong.
 *
 * @throws {CliError} `QIP_CLI_USAGE`
 */
export function parseWord<Value>(name: string, parse: () => Value): Value {
  try {
    return parse()
  } catch (cause) {
    if (!isQipError(cause) || cause instanceof CliError) throw cause
    throw new CliError('QIP_CLI_USAGE', { reason: `${name}: ${cause.message}`, next: cause.next }, { cause })
  }
}
