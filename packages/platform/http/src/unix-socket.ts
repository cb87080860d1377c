import { chmod, chown, lstat, mkdtemp, rename, rm } from 'node:fs/promises'
import { connect, type Server } from 'node:net'
import { dirname, join } from 'node:path'
import { HttpError } from './http-errors.ts'
import { fileReason, systemCode } from './lib/file-reason.ts'

// sockaddr_un holds 108 bytes on Linux, 104 on macOS, one of them the final NUL.
const pathBytesMax = 103

/**
 * Makes `server` listen on a Unix socket that has its mode from the first moment on.
 *
 * The socket is made in a directory that only this user may enter, gets its mode there and is then renamed into
 * place: no other user can connect in between, and a socket file that a dead process left is replaced.
 *
 * @throws {HttpError} `QIP_HTTP_SOCKET_IN_USE` if a process answers at `path`.
 * @throws {HttpError} `QIP_HTTP_SOCKET_UNUSABLE` if no socket can be made there.
 */
export async function listenOnUnixSocket(
  server: Server,
  path: string,
  { mode, group }: { readonly mode: number; readonly group?: number | undefined },
): Promise<void> {
  if (Buffer.byteLength(path) > pathBytesMax) throw unusable(path, 'the path is too long')
  await refuseForeign(path)
  const nursery = await newNursery(path)
  const newborn = join(nursery, 's')
  try {
    if (Buffer.byteLength(newborn) > pathBytesMax) throw unusable(path, 'the path is too long')
    await listen(server, newborn)
    if (group !== undefined) await chown(newborn, -1, group)
    await chmod(newborn, mode)
    await rename(newborn, path)
  } catch (cause) {
    server.close()
    throw cause instanceof HttpError ? cause : unusable(path, fileReason(cause), cause)
  } finally {
    await rm(nursery, { recursive: true, force: true })
  }
}

/** Removes the socket file of a server that was closed. */
export async function removeUnixSocket(path: string): Promise<void> {
  await rm(path, { force: true })
}

function unusable(path: string, reason: string, cause?: unknown): HttpError {
  return new HttpError('QIP_HTTP_SOCKET_UNUSABLE', { path, reason }, { cause })
}

async function newNursery(path: string): Promise<string> {
  try {
    return await mkdtemp(join(dirname(path), '.q'))
  } catch (cause) {
    throw unusable(path, fileReason(cause), cause)
  }
}

async function refuseForeign(path: string): Promise<void> {
  let found
  try {
    found = await lstat(path)
  } catch (cause) {
    if (systemCode(cause) === 'ENOENT') return
    throw unusable(path, fileReason(cause), cause)
  }
  if (!found.isSocket()) throw unusable(path, 'there is a file that is no socket')
  if (await answers(path)) throw new HttpError('QIP_HTTP_SOCKET_IN_USE', { path })
}

async function answers(path: string): Promise<boolean> {
  return await new Promise((resolve) => {
    const probe = connect(path)
    probe.once('connect', () => {
      probe.destroy()
      resolve(true)
    })
    probe.once('error', (error) => {
      // Anything but "nobody listens" may be somebody whom this user cannot reach.
      resolve(!['ECONNREFUSED', 'ENOENT'].includes(systemCode(error) ?? ''))
    })
  })
}

async function listen(server: Server, path: string): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen({ path }, () => {
      server.off('error', reject)
      resolve()
    })
  })
}
