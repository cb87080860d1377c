import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { CliError } from '../cli-errors.ts'

/** `qip up` as a process of its own. */
export interface NodeProcess extends AsyncDisposable {
  readonly authority: string
  readonly gateway: string
  /** `unix:…`, where whoever may open it is admin. */
  readonly socket: string
  readonly pid: number
}

const launcher = fileURLToPath(new URL('../../bin/qip.js', import.meta.url))

/** Starts `qip up` with the `quantum-ip.yaml` of a folder, and waits until it says where it is. */
export async function startNode(folder: string): Promise<NodeProcess> {
  const child = spawn(process.execPath, [launcher, 'up', '--json'], {
    cwd: folder,
    stdio: ['ignore', 'pipe', 'ignore'],
  })
  const exited = once(child, 'exit')
  const said = await Promise.race([once(createInterface({ input: child.stdout }), 'line'), exited])
  if (child.exitCode !== null || typeof said[0] !== 'string') {
    throw new CliError('QIP_CLI_UNREACHABLE', { what: '`qip up` of the drill', reason: 'it did not start' })
  }
  const { authority, gateway, socket } = JSON.parse(said[0]) as Record<string, string>
  return {
    authority: authority ?? '',
    gateway: gateway ?? '',
    socket: `unix:${socket ?? ''}`,
    pid: child.pid ?? 0,
    async [Symbol.asyncDispose]() {
      child.kill('SIGTERM')
      await exited
    },
  }
}
