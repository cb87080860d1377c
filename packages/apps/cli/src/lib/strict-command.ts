import { Command, type Option } from 'commander'
import { CliError } from '../cli-errors.ts'

/**
 * A command whose options take no option for their value.
 *
 * Commander gives an option that wants a value whatever word comes next, so that `--out --help` made a folder named `--help`. Refused is a word
 * that is an option of this command, and for a folder or file every word that begins with `-` (`-` alone is standard input): `./-odd` names one that does.
 */
export class StrictCommand extends Command {
  override addOption(option: Option): this {
    const parse = option.parseArg
    if (option.required && !option.variadic) {
      option.argParser((value, before: unknown) => {
        this.#refuseOption(option, value)
        return parse === undefined ? value : parse(value, before)
      })
    }
    return super.addOption(option)
  }

  #refuseOption(option: Option, value: string): void {
    const isPath = /<(?:folder|file)>/.test(option.flags)
    const isOption =
      value === '--help' ||
      value === '-h' ||
      this.options.some(({ short, long }) => [short, long].includes(value))
    if (!isOption && !(isPath && value.startsWith('-') && value !== '-')) return
    throw new CliError('QIP_CLI_USAGE', {
      reason: `\`${option.flags}\` lacks its value: \`${value}\` came next`,
      next: isPath
        ? `give one, or \`./${value}\` if it is called so`
        : `give one, or see \`qip ${this.name()} --help\``,
    })
  }
}
