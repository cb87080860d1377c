import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

/** A running authority. */
export interface AuthorityChild {
  readonly process: ChildProcess
  readonly url: string
  readonly joinToken: string
  /** All that it wrote. */
  readonly output: () => string
}

const program = fileURLToPath(new URL('authority-process.ts', import.meta.url))

/** Starts an authority over the store in `folder`, or with a database elsewhere. It ends with this process, if nobody kills it before. */
export function spawnAuthority(folder: string, database?: string): ChildProcess {
  return spawn(
    process.execPath,
    ['--conditions=quantum-ip-source', program, folder, ...(database === undefined ? [] : [database])],
    {
      stdio: ['pipe', 'pipe', 'pipe'],
    },
  )
}

/** Waits until an authority serves. */
export async function served(child: ChildProcess): Promise<AuthorityChild> {
  let output = ''
  child.stderr?.on('data', (chunk: Buffer) => (output += chunk.toString()))
  child.stdout?.on('data', (chunk: Buffer) => (output += chunk.toString()))
  assert.ok(child.stdout)
  for await (const line of createInterface({ input: child.stdout })) {
    const { url, joinToken } = JSON.parse(line) as { url: string; joinToken: string }
    return { process: child, url, joinToken, output: () => output }
  }
  throw new Error(`the authority did not start: ${output}`)
}

/** Kills a process as the system does when memory is short, or an operator when in doubt. */
export async function killHard(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  child.kill('SIGKILL')
  await once(child, 'exit')
}
