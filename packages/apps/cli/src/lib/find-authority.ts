import { stat } from 'node:fs/promises'
import { resolve } from 'node:path'
import type { Config } from '@quantum-ip/http'
import { CliError } from '../cli-errors.ts'

/** How a command line names the authority. */
export interface AuthorityChoice {
  /** Addresses; the first that answers is taken. */
  readonly authority?: readonly string[]
  /** A configuration other than `quantum-ip.yaml` of this folder. */
  readonly config?: string
}

/** Where the authority is. */
export interface AuthorityPlace {
  readonly urls: readonly string[]
  /** PEM certificates to trust for it. */
  readonly caFile: string | undefined
  readonly config: Config | undefined
}

const configFile = 'quantum-ip.yaml'
// Where an authority listens that was started without a configuration.
const defaultSockets = ['./authority.sock', './data/qip.sock']
const defaultUrl = 'http://127.0.0.1:7600'

/**
 * Finds the authority: `--authority`, else the configuration's socket or address, else the places of an authority that was
 * started without one.
 *
 * @throws {CliError} `QIP_CLI_FILE_UNREADABLE` · {@link HttpError} for a configuration that is not good
 */
export async function findAuthority({
  authority = [],
  config: file,
}: AuthorityChoice): Promise<AuthorityPlace> {
  const config = await readConfig(file)
  const caFile = config?.authority.caFile
  if (authority.length > 0) return { urls: authority.map((url) => absolute(url)), caFile, config }
  const socket = config === undefined ? await firstSocket(defaultSockets) : await configuredSocket(config)
  if (socket !== undefined) return { urls: [`unix:${socket}`], caFile, config }
  return { urls: [config === undefined ? defaultUrl : urlOf(config)], caFile, config }
}

async function readConfig(file: string | undefined): Promise<Config | undefined> {
  if (file === undefined && !(await isThere(configFile))) return undefined
  // Loaded only where there is a file to read: most of this program's start would go into it.
  const { readConfigFile } = await import('@quantum-ip/http')
  return readConfigFile(file ?? configFile)
}

async function configuredSocket({ authority }: Config): Promise<string | undefined> {
  // An address that members are told means that the authority is elsewhere, whatever the default of the socket.
  return firstSocket(authority.socket === undefined ? [] : [authority.socket])
}

function urlOf({ authority }: Config): string {
  const { url, tls, listen } = authority
  const host = listen.host.includes(':') ? `[${listen.host}]` : listen.host
  return url ?? `${tls === undefined ? 'http' : 'https'}://${host}:${listen.port}`
}

/** `unix:` with a path relative to this folder, made absolute. */
function absolute(url: string): string {
  if (!url.startsWith('unix:')) return url
  const path = url.slice('unix:'.length)
  if (path === '') throw new CliError('QIP_CLI_USAGE', { reason: '`unix:` names no socket' })
  return `unix:${resolve(path)}`
}

async function firstSocket(paths: readonly string[]): Promise<string | undefined> {
  for (const path of paths) if (await isSocket(resolve(path))) return resolve(path)
  return undefined
}

async function isSocket(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isSocket()
  } catch {
    return false
  }
}

async function isThere(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isFile()
  } catch {
    return false
  }
}
