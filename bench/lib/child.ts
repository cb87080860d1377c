import { type ChildProcessWithoutNullStreams, spawn, spawnSync } from 'node:child_process'
import { cpus } from 'node:os'
import { createInterface } from 'node:readline'

/** A server in a process of its own, held to one core where the machine lets us. */
export interface BenchServer<Info> extends AsyncDisposable {
  readonly info: Info
  /** Processor time that it has used so far, microseconds. */
  cpuUs(): Promise<number>
  /** Sends a message and waits for the answer. */
  ask(message: object): Promise<unknown>
  /** Ends it at once, as a power cut would. */
  kill(): Promise<void>
}

const hasTaskset =
  process.platform === 'linux' && cpus().length > 1 && spawnSync('taskset', ['-c', '0', 'true']).status === 0

/** Keeps this process, the client, off the servers' core. */
export function leaveServerCore(): void {
  if (hasTaskset) spawnSync('taskset', ['-a', '-p', '-c', '1', String(process.pid)], { stdio: 'ignore' })
}

/** Starts `file` and waits for its first line. It runs on the servers' core, unless it belongs to the client's side. */
export async function startServer<Info>(
  file: string,
  args: readonly string[] = [],
  side: 'server' | 'client' = 'server',
): Promise<BenchServer<Info>> {
  const node = [
    process.execPath,
    ...(process.env['QIP_BENCH_NODE']?.split(' ') ?? []),
    '--conditions=quantum-ip-source',
    file,
    ...args,
  ]
  const [command = '', ...rest] = hasTaskset
    ? ['taskset', '-c', side === 'server' ? '0' : '1', ...node]
    : node
  const child = spawn(command, rest, {
    stdio: ['pipe', 'pipe', 'inherit'],
  }) as unknown as ChildProcessWithoutNullStreams
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  const next = async (): Promise<string> => {
    const { value, done } = await lines.next()
    if (done === true) throw new Error(`the server ${file} ended`)
    return value
  }
  const info = JSON.parse(await next()) as Info
  return {
    info,
    async cpuUs() {
      child.stdin.write('cpu\n')
      return (JSON.parse(await next()) as { cpuUs: number }).cpuUs
    },
    async ask(message) {
      child.stdin.write(`${JSON.stringify(message)}\n`)
      return JSON.parse(await next()) as unknown
    },
    async kill() {
      const ended = new Promise((resolve) => child.once('exit', resolve))
      child.kill('SIGKILL')
      await ended
    },
    async [Symbol.asyncDispose]() {
      const ended = new Promise((resolve) => child.once('exit', resolve))
      child.stdin.end()
      setTimeout(() => child.kill('SIGKILL'), 10_000).unref()
      await ended
    },
  }
}
