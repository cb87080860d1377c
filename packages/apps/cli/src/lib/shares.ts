import { CliError } from '../cli-errors.ts'

/** `5%` of a share in hundredths of a percent. */
export function formatShare(share: number): string {
  return `${share / 100}%`
}

/** `5%` as hundredths of a percent: above 0, at most 100 %. @throws {CliError} `QIP_CLI_USAGE` */
export function parseShare(text: string): number {
  const percent = Number(/^(\d{1,3}(?:\.\d{1,2})?)%$/.exec(text)?.[1] ?? 0)
  if (percent > 0 && percent <= 100) return Math.round(percent * 100)
  throw new CliError('QIP_CLI_USAGE', {
    reason: `\`${text.slice(0, 32)}\` is no share`,
    next: 'write for example `5%` or `0.25%`',
  })
}
