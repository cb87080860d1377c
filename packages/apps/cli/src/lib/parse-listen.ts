import { CliError } from '../cli-errors.ts'

/** `127.0.0.1:7800`, `[::1]:7800`. @throws {CliError} `QIP_CLI_USAGE` */
export function parseListen(text: string): { readonly host: string; readonly port: number } {
  const [, bracketed, plain, port = ''] =
    /^(?:\[([0-9a-fA-F:.]+)\]|([A-Za-z0-9.-]+)):(\d{1,5})$/.exec(text) ?? []
  const host = bracketed ?? plain
  if (host !== undefined && Number(port) <= 65_535) return { host, port: Number(port) }
  throw new CliError('QIP_CLI_USAGE', {
    reason: `\`${text.slice(0, 64)}\` is no address to listen on`,
    next: 'write it as 127.0.0.1:7800 or [::1]:7800',
  })
}
