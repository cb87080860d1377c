import { isQipError } from '@quantum-ip/base'
import {
  type AuthorityRequest,
  bearer,
  ClientError,
  openTransport,
  type Requester,
  type Transport,
} from '@quantum-ip/client'
import type { Config } from '@quantum-ip/http'
import { CliError } from '../cli-errors.ts'
import type { AuthorityOptions } from './authority-options.ts'
import { readText } from './files.ts'
import { findAuthority } from './find-authority.ts'

/** An authority that can be asked. */
export interface AskedAuthority extends AsyncDisposable {
  readonly requester: Requester
  readonly transport: Transport
  /** As people know it. */
  readonly address: string
  /** Whether it is reached over its Unix socket: then nobody stands between, and who may use it is admin. */
  readonly isSocket: boolean
  readonly config: Config | undefined
}

/**
 * Opens a way to the authority that the command line or the configuration names.
 *
 * @throws {CliError} `QIP_CLI_FILE_UNREADABLE` · {@link ClientError} `QIP_CLIENT_ADDRESS_REFUSED`
 */
export async function askAuthority(options: AuthorityOptions): Promise<AskedAuthority> {
  const { urls, caFile, config } = await findAuthority(options)
  const ca = options.ca ?? caFile
  const transport = openTransport({
    url: urls,
    ...(ca !== undefined && { ca: await readText({ path: ca, what: 'file of certificates' }) }),
  })
  const address = urls[0] ?? ''
  const { credentialFile } = options
  const named =
    credentialFile === undefined ? transport : bearer(transport, await readCredential(credentialFile))
  return {
    requester: explaining(named, { address, hasCredential: credentialFile !== undefined }),
    transport,
    address,
    isSocket: address.startsWith('unix:'),
    config,
    [Symbol.asyncDispose]: () => transport.close(),
  }
}

/** Reads an operator's credential. @throws {CliError} `QIP_CLI_FILE_UNREADABLE` · `QIP_CLI_FILE_MALFORMED` */
export async function readCredential(path: string): Promise<string> {
  const text = (await readText({ path, what: 'credential', bytesMax: 4_096 })).trim()
  if (/^qipo1\.[A-Za-z0-9_.-]{1,200}$/.test(text)) return text
  throw new CliError('QIP_CLI_FILE_MALFORMED', {
    path,
    what: 'credential',
    reason: 'it does not begin with `qipo1.`',
  })
}

/** A requester whose failures say what to do at a command line. */
export function explaining(
  requester: Requester,
  asked: { readonly address: string; readonly hasCredential: boolean },
): Requester {
  const explained = async <Value>(work: Promise<Value>): Promise<Value> => {
    try {
      return await work
    } catch (error) {
      throw explainedError(error, asked)
    }
  }
  return {
    request: (request: AuthorityRequest) => explained(requester.request(request)),
    stream: (request: AuthorityRequest) => explained(requester.stream(request)),
  }
}

function explainedError(error: unknown, asked: { address: string; hasCredential: boolean }): unknown {
  if (!(error instanceof ClientError)) return error
  const { status, code, reason } = error.details as { status?: number; code?: string; reason?: string }
  if (isQipError(error, 'QIP_CLIENT_AUTHORITY_UNAVAILABLE') && status === undefined) {
    return new CliError(
      'QIP_CLI_UNREACHABLE',
      {
        what: `the authority at \`${asked.address}\``,
        reason: reason ?? 'no answer',
        next: 'start it with `qip up`, or name another one with --authority',
      },
      { cause: error },
    )
  }
  if (code === 'QIP_HTTP_CREDENTIAL_MISSING' || code === 'QIP_HTTP_CREDENTIAL_INVALID') {
    const isRefused = code === 'QIP_HTTP_CREDENTIAL_INVALID' && asked.hasCredential
    const details = { authority: asked.address, isRefused }
    return new CliError('QIP_CLI_CREDENTIAL_MISSING', details, { cause: error })
  }
  return error
}
