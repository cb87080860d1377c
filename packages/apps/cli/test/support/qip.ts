import { spawn } from 'node:child_process'
import path from 'node:path'

const launcher = path.resolve(import.meta.dirname, '../../bin/qip.js')

/** How a run of the real binary ended. */
export interface QipRun {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

async function collect(stream: AsyncIterable<Buffer>): Promise<string> {
  const chunks: Buffer[] = []
  for await (const chunk of stream) chunks.push(chunk)
  return Buffer.concat(chunks).toString()
}

/** Runs the real `qip`: with this input, in this folder. */
export function qip(
  args: readonly string[],
  { input = '', cwd, env = {} }: { input?: string; cwd?: string; env?: Record<string, string> } = {},
): Promise<QipRun> {
  const child = spawn(process.execPath, [launcher, ...args], {
    ...(cwd !== undefined && { cwd }),
    env: { ...process.env, ...env },
    // Far more than any command takes on a busy machine.
    timeout: 120_000,
  })
  const ended = new Promise<number | null>((resolve, reject) => {
    child.on('error', reject)
    child.on('close', resolve)
  })
  child.stdin.on('error', () => undefined)
  child.stdin.end(input)
  return Promise.all([ended, collect(child.stdout), collect(child.stderr)]).then(([code, stdout, stderr]) => {
    return { code, stdout, stderr }
  })
}
