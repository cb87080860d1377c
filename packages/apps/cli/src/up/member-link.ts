import { mkdir, readFile, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { base64url, parseBase64url } from '@quantum-ip/base'
import {
  admit,
  type Admission,
  createAdmission,
  openSession,
  openTransport,
  renewAdmission,
  type Transport,
} from '@quantum-ip/client'
import type { Config } from '@quantum-ip/http'
import { CliError } from '../cli-errors.ts'
import type { GatewayLink } from './gateway-role.ts'

/** Whose session it is, where it is not that of the enforcement point. */
export interface MemberOf {
  /** The name of the file that keeps it. */
  readonly name: string
  /** What the join token is to be, and how it is passed, for who has none. */
  readonly next: string
  /** Whether it is renewed long before its end, also while nothing is asked. */
  readonly standing: boolean
}

/** A connection of an enforcement point to its authority. */
export interface MemberLink extends GatewayLink {
  close(): Promise<void>
}

/**
 * Connects an enforcement point that runs apart from its authority. It is admitted once, by a join token; the session is renewed
 * before it ends and kept in a 0600 file beside the snapshot, so that a restart needs no other token.
 *
 * @throws {CliError} `QIP_CLI_USAGE` where configuration or token are missing
 */
export async function openMemberLink(
  config: Config,
  joinToken: string | undefined,
  { name, next, standing }: MemberOf = { name: config.gateway.name, next: nextForPoint, standing: false },
): Promise<MemberLink> {
  const { url, caFile } = config.authority
  if (url === undefined)
    throw usage(
      '`authority.url` is not configured',
      'write where the authority is: `authority: { url: https://… }`',
    )
  if (config.trust.rootThumbprints.length === 0) {
    throw usage(
      '`trust.rootThumbprints` is empty',
      'pin the root keys: the authority shows them at /.well-known/quantum-ip',
    )
  }
  const ca = caFile === undefined ? undefined : await readFile(caFile, 'utf8')
  const transport = openTransport({ url, ...(ca !== undefined && { ca }) })
  const file = join(config.trust.snapshotDirectory, `${name}.session`)
  const admission = (await readAdmission(file)) ?? (await joinBy(transport, joinToken, next))
  await keepAdmission(file, admission)
  const renew = renewal({ transport, file, admission })
  const session = openSession({ transport, admission, readmit: renew, standing })
  return {
    session,
    authority: { url, ca },
    readmit: renew,
    pins: { thumbprints: config.trust.rootThumbprints, threshold: config.trust.rootThreshold },
    async close() {
      session.close()
      await transport.close()
    },
  }
}

interface KeptAdmission {
  readonly transport: Transport
  readonly file: string
  readonly admission: Admission
}

/**
 * Renews the session of this process before it ends, once for all of its threads, and keeps what it got for a restart. A session that
 * the authority no longer knows takes another join token: an operator decides.
 */
function renewal({ transport, file, admission }: KeptAdmission): () => Promise<Admission> {
  let current = admission
  let renewedMs = Number.NEGATIVE_INFINITY
  let underWay: Promise<Admission> | undefined
  const renew = async (): Promise<Admission> => {
    current = await renewAdmission(transport, current)
    renewedMs = Date.now()
    await keepAdmission(file, current)
    return current
  }
  return () => {
    // Another thread asked a moment ago.
    if (Date.now() - renewedMs < sharedMs) return Promise.resolve(current)
    underWay ??= renew().finally(() => {
      underWay = undefined
    })
    return underWay
  }
}

const nextForPoint = 'make one with `qip join-token --role verifier`, and pass it with --join-token-file'

const sharedMs = 10_000

async function joinBy(transport: Transport, token: string | undefined, next: string): Promise<Admission> {
  if (token !== undefined) return admit(transport, { method: 'join-token', evidence: { token } })
  throw usage('there is no session yet, and no join token', next)
}

async function readAdmission(file: string): Promise<Admission | undefined> {
  const text = await readFile(file, 'utf8').catch(() => undefined)
  if (text === undefined) return undefined
  const { key, ...rest } = JSON.parse(text) as Omit<Admission, 'key'> & { readonly key: string }
  if (rest.expiresS * 1_000 <= Date.now()) return undefined
  return createAdmission({ ...rest, key: parseBase64url(key) })
}

async function keepAdmission(file: string, admission: Admission): Promise<void> {
  await mkdir(join(file, '..'), { recursive: true, mode: 0o700 })
  const draft = `${file}.draft`
  await writeFile(draft, JSON.stringify({ ...admission, key: base64url(admission.key) }), { mode: 0o600 })
  await rename(draft, file)
}

function usage(reason: string, next: string): CliError {
  return new CliError('QIP_CLI_USAGE', { reason, next })
}
