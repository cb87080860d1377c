import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { type Config, readConfigFile } from '@quantum-ip/http'
import type { Command } from 'commander'
import { CliError } from '../cli-errors.ts'
import { answer, newAnswer } from '../lib/command.ts'
import type { Run } from '../lib/io.ts'
import type { Output, OutputOptions } from '../lib/output.ts'
import { openAuthorityPart } from '../up/authority-part.ts'
import { openInstancePart } from '../up/instance-part.ts'
import { openGatewayRole } from '../up/gateway-role.ts'
import { openMemberLink } from '../up/member-link.ts'
import { ProcessLevels } from '../up/process-levels.ts'
import { ProcessTelemetry } from '../up/process-telemetry.ts'

interface ServeOptions extends OutputOptions {
  readonly role: string
  readonly config: string
  readonly joinTokenFile?: string
  readonly instance?: string
}

const roles = ['authority', 'gateway'] as const

/** `qip serve`: one role, as a process of its own. */
export function serveCommand(run: Run): Command {
  return newAnswer('serve', 'run one role: authority or gateway')
    .requiredOption('--role <role>', `one of ${roles.join(', ')}`)
    .option('--config <file>', 'the configuration', 'quantum-ip.yaml')
    .option(
      '--join-token-file <file>',
      'with --role gateway: a join token of role `verifier`, for the first start',
    )
    .option('--instance <name>', 'with --role authority: the name of this one of several on one database')
    .action((options: ServeOptions) => answer(run, options, (output) => serve(output, options)))
}

async function serve(output: Output, options: ServeOptions): Promise<void> {
  const config = await readConfigFile(options.config)
  const tell = (text: string): void => output.note(text)
  const opened = await openRole(config, options, tell)
  output.show({ role: options.role, url: opened.url }, () =>
    output.line(`${options.role} listens on ${opened.url}`),
  )
  await Promise.race([once(process, 'SIGINT'), once(process, 'SIGTERM')])
  await opened.close()
}

interface OpenedRole {
  readonly url: string
  close(): Promise<void>
}

async function openRole(
  config: Config,
  options: ServeOptions,
  tell: (text: string) => void,
): Promise<OpenedRole> {
  switch (options.role) {
    case 'authority': {
      const shared = { telemetry: new ProcessTelemetry(config), onEvent: tell }
      const isOneOfSeveral =
        options.instance !== undefined || (config.store.kind === 'postgres' && config.store.instance)
      const part = isOneOfSeveral
        ? await openInstancePart(config, shared, options.instance)
        : await openAuthorityPart(config, shared)
      return withLevels(part, await ProcessLevels.open(shared.telemetry, config, 'authority'))
    }
    case 'gateway':
      return serveGateway(config, options, tell)
    default:
      throw new CliError('QIP_CLI_USAGE', {
        reason: `\`${options.role}\` is no role`,
        next: `use one of ${roles.join(', ')}`,
      })
  }
}

/** Counts are read a last time while the part still runs. */
function withLevels(part: OpenedRole, levels: ProcessLevels): OpenedRole {
  return {
    url: part.url,
    async close() {
      await levels.close()
      await part.close()
    },
  }
}

async function serveGateway(
  config: Config,
  options: ServeOptions,
  tell: (text: string) => void,
): Promise<OpenedRole> {
  const joinToken =
    options.joinTokenFile === undefined ? undefined : (await readFile(options.joinTokenFile, 'utf8')).trim()
  const link = await openMemberLink(config, joinToken)
  try {
    const telemetry = new ProcessTelemetry(config)
    const gateway = await openGatewayRole({
      config,
      link,
      telemetry,
      ownAuthority: false,
      onEvent: tell,
    })
    const part = {
      url: gateway.url,
      async close() {
        await gateway.close()
        await link.close()
      },
    }
    return withLevels(part, await ProcessLevels.open(telemetry, config, config.gateway.name))
  } catch (error) {
    await link.close()
    throw error
  }
}
