import { readFile } from 'node:fs/promises'
import { bearer, type Mirror, openTransport, type Transport } from '@quantum-ip/client'
import type { MirrorsConfig } from '@quantum-ip/http'
import { CliError } from '../cli-errors.ts'
import { fileReason } from '../lib/files.ts'

/** The mirrors of a configuration, open. */
export interface MirrorLinks {
  readonly mirrors: readonly Mirror[]
  close(): Promise<void>
}

/** Opens the ways to mirrors. Nobody is asked yet. @throws {CliError} `QIP_CLI_FILE_UNREADABLE` */
export async function openMirrorLinks({ urls, caFile, tokenFile }: MirrorsConfig): Promise<MirrorLinks> {
  const ca = await readOptional(caFile, 'file of certificates')
  const token = (await readOptional(tokenFile, 'token for mirrors'))?.trim()
  const transports: Transport[] = urls.map((url) => openTransport({ url, ...(ca !== undefined && { ca }) }))
  return {
    mirrors: transports.map((transport) => ({
      url: transport.url,
      requester: token === undefined ? transport : bearer(transport, token),
    })),
    async close() {
      await Promise.all(transports.map((transport) => transport.close()))
    },
  }
}

async function readOptional(path: string | undefined, what: string): Promise<string | undefined> {
  if (path === undefined) return undefined
  return readFile(path, 'utf8').catch((cause: unknown) => {
    throw new CliError('QIP_CLI_FILE_UNREADABLE', { path, what, reason: fileReason(cause) }, { cause })
  })
}
