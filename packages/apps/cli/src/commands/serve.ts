import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { type Config, readConfigFile } from '@quantum-ip/http'
import type { Command } from 'commander'
import { CliError } from '../cli-errors.ts'
import { answer, newAnswer } from '../lib/command.ts'
import type { Run } from '../lib/io.ts'
import type { Output, OutputOptions } from '../lib/output.ts'
import { openAuthorityPart, type SharedParts } from '../up/authority-part.ts'
import { openInstancePart } from '../up/instance-part.ts'
import { openGatewayRole } from '../up/gateway-role.ts'
import { openMemberLink } from '../up/member-link.ts'
import { configOf, isServedRole, servedRoles } from '../up/point-role.ts'
import { ProcessLevels } from '../up/process-levels.ts'
import { ProcessTelemetry } from '../up/process-telemetry.ts'

interface ServeOptions extends OutputOptions {
  readonly role: string
  readonly config: string
  readonly joinTokenFile?: string
  readonly instance?: string
}

/** Every role: what `deploy/` must cover. */
export const serveRoles = ['authority', ...servedRoles] as const

/** `qip serve`: one role, as a process of its own. */
export function serveCommand(run: Run): Command {
  return newAnswer('serve', 'run one role: authority, gateway, forward-auth or ext-authz')
    .requiredOption('--role <role>', `one of ${serveRoles.join(', ')}`)
    .option('--config <file>', 'the configuration', 'quantum-ip.yaml')
    .option(
      '--join-token-file <file>',
      'with --role gateway, forward-auth or ext-authz: a join token of role `verifier`, for the first start',
    )
    .option('--instance <name>', 'with --role authority: the name of this one of several on one database')
    .action((options: ServeOptions) => answer(run, options, (output) => serve(output, options)))
}

async function serve(output: Output, options: ServeOptions): Promise<void> {
  // What is wrong with the command line is said before what is wrong with a file.
  const role = roleNamed(options.role)
  const config = await readConfigFile(options.config)
  const tell = (text: string): void => output.note(text)
  const opened = await openRole(config, { ...options, role }, tell)
  output.show({ role: options.role, url: opened.url }, () =>
    output.line(`${options.role} listens on ${opened.url}`),
  )
  await Promise.race([once(process, 'SIGINT'), once(process, 'SIGTERM')])
  await opened.close()
}

type Role = (typeof serveRoles)[number]

function roleNamed(text: string): Role {
  const role = serveRoles.find((each) => each === text)
  if (role !== undefined) return role
  const next = text === 'sidecar' ? 'it is a command: `qip sidecar`' : `use one of ${serveRoles.join(', ')}`
  throw new CliError('QIP_CLI_USAGE', { reason: `\`${text}\` is no role`, next })
}

interface OpenedRole {
  readonly url: string
  close(): Promise<void>
}

async function openRole(
  whole: Config,
  options: ServeOptions & { readonly role: Role },
  tell: (text: string) => void,
): Promise<OpenedRole> {
  const config = isServedRole(options.role) ? configOf(whole, options.role) : whole
  await using opened = new AsyncDisposableStack()
  const telemetry = await ProcessTelemetry.open(config, `quantum-ip-${options.role}`)
  // Closed last: it sends what the others tell while they stop.
  opened.defer(() => telemetry.close())
  const role = await openers[options.role](config, options, { telemetry, onEvent: telemetry.lines(tell) })
  opened.defer(() => role.close())
  // Counts are read a last time while the part still runs.
  const point = options.role === 'authority' ? 'authority' : config.gateway.name
  const levels = await ProcessLevels.open(telemetry, config, point)
  opened.defer(() => levels.close())
  const closing = opened.move()
  return { url: role.url, close: () => closing.disposeAsync() }
}

const openers = {
  authority: serveAuthority,
  gateway: serveGateway,
  'forward-auth': serveGateway,
  'ext-authz': serveGateway,
}

function serveAuthority(config: Config, options: ServeOptions, shared: SharedParts): Promise<OpenedRole> {
  const isOneOfSeveral =
    options.instance !== undefined || (config.store.kind === 'postgres' && config.store.instance)
  return isOneOfSeveral
    ? openInstancePart(config, shared, options.instance)
    : openAuthorityPart(config, shared)
}

async function serveGateway(config: Config, options: ServeOptions, shared: SharedParts): Promise<OpenedRole> {
  const joinToken =
    options.joinTokenFile === undefined ? undefined : (await readFile(options.joinTokenFile, 'utf8')).trim()
  await using opened = new AsyncDisposableStack()
  const link = await openMemberLink(config, joinToken)
  opened.defer(() => link.close())
  const gateway = await openGatewayRole({
    role: isServedRole(options.role) ? options.role : 'gateway',
    config,
    link,
    ...shared,
    ownAuthority: false,
  })
  opened.defer(() => gateway.close())
  const closing = opened.move()
  return { url: gateway.url, close: () => closing.disposeAsync() }
}
