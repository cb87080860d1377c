import { mkdir, readFile, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { base64url, parseBase64url } from '@quantum-ip/base'
import {
  type Admission,
  admit,
  createAdmission,
  openSession,
  renewAdmission,
  type Session,
  type Transport,
} from '@quantum-ip/client'

/** How a service becomes, and stays, a member of its trust domain. */
export interface MemberOptions {
  readonly transport: Transport
  /** Where the session is kept over restarts. */
  readonly folder: string
  /** For the first start: `qip join-token <service> --role verifier` makes one. */
  readonly joinToken: string | undefined
}

/**
 * A session of the role `verifier`: the one that was kept, or one by join token. It is renewed before it ends and kept in a 0600 file, so
 * that a restart needs no other token.
 *
 * @throws {TypeError} where there is neither. @throws {ClientError} as `admit`.
 */
export async function openMemberSession({ transport, folder, joinToken }: MemberOptions): Promise<Session> {
  await mkdir(folder, { recursive: true, mode: 0o700 })
  const file = join(folder, 'session')
  let admission = (await readAdmission(file)) ?? (await joinBy(transport, joinToken))
  await keepAdmission(file, admission)
  const readmit = async (): Promise<Admission> => {
    admission = await renewAdmission(transport, admission)
    await keepAdmission(file, admission)
    return admission
  }
  return openSession({ transport, admission, readmit })
}

async function joinBy(transport: Transport, token: string | undefined): Promise<Admission> {
  if (token !== undefined) return admit(transport, { method: 'join-token', evidence: { token } })
  throw new TypeError(
    'there is no session yet, and no join token: make one with `qip join-token <service> --role verifier`, and pass it as `joinToken`',
  )
}

async function readAdmission(file: string): Promise<Admission | undefined> {
  const text = await readFile(file, 'utf8').catch(() => undefined)
  if (text === undefined) return undefined
  const { key, ...rest } = JSON.parse(text) as Omit<Admission, 'key'> & { readonly key: string }
  if (rest.expiresS * 1_000 <= Date.now()) return undefined
  return createAdmission({ ...rest, key: parseBase64url(key) })
}

async function keepAdmission(file: string, admission: Admission): Promise<void> {
  const draft = `${file}.draft`
  await writeFile(draft, JSON.stringify({ ...admission, key: base64url(admission.key) }), { mode: 0o600 })
  await rename(draft, file)
}
