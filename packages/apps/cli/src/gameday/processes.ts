import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { connect, createServer, type AddressInfo } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { DrillFailure } from './drill.ts'
import { findProgram } from './programs.ts'

/** What a drill starts. */
export interface ProcessOrder {
  readonly command: string
  readonly args: readonly string[]
  readonly env?: Readonly<Record<string, string>>
  readonly cwd?: string
  /** Under which user it runs, where this process is root's: some servers refuse root. */
  readonly user?: string
  /** Asked until it holds, for 20 s at most. */
  readonly isReady: (process: RunningProcess) => Promise<boolean> | boolean
}

/** A process that a drill has started. */
export interface RunningProcess {
  readonly pid: number
  /** What it wrote, both ways. */
  readonly written: () => string
  readonly hasEnded: () => boolean
  /** Sends a signal to it and to what it has started. */
  signal(name: NodeJS.Signals): void
  /** Ends it: asks first, kills after 10 s. */
  stop(): Promise<void>
  /** As the system does when memory is short. */
  kill(): Promise<void>
}

const run = promisify(execFile)
const running = new Set<ChildProcess>()
// Whatever ends this process ends them; `setpriv` below does so where nothing is left to do it.
process.once('exit', () => {
  for (const child of running) signalGroup(child, 'SIGKILL')
})

/** Starts a process and waits until it is ready. @throws {DrillFailure} with what it wrote */
export async function startProcess(order: ProcessOrder): Promise<RunningProcess> {
  const { env = {}, cwd } = order
  const call = callAs(order)
  const child = spawn(call[0] as string, call.slice(1), {
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
    env: { ...environment(), ...env },
    ...(cwd !== undefined && { cwd }),
  })
  running.add(child)
  let written = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      written = (written + text).slice(-65_536)
    })
  }
  child.on('error', (error) => {
    written += error.message
  })
  child.once('close', () => running.delete(child))
  const hasEnded = (): boolean =>
    child.exitCode !== null || child.signalCode !== null || child.pid === undefined
  const end = async (first: NodeJS.Signals): Promise<void> => {
    if (hasEnded()) return
    const ended = once(child, 'close')
    signalGroup(child, 'SIGCONT')
    signalGroup(child, first)
    const timer = setTimeout(() => signalGroup(child, 'SIGKILL'), 10_000)
    await ended
    clearTimeout(timer)
  }
  const started: RunningProcess = {
    pid: child.pid ?? 0,
    written: () => written,
    hasEnded,
    signal: (name) => signalGroup(child, name),
    stop: () => end('SIGTERM'),
    kill: () => end('SIGKILL'),
  }
  const deadline = performance.now() + 20_000
  while (!hasEnded() && performance.now() < deadline) {
    if (await order.isReady(started)) return started
    await sleep(20)
  }
  await started.kill()
  const said = written.trim().split('\n').slice(-5).join(' | ') || 'it wrote nothing'
  throw new DrillFailure(`\`${order.command.split('/').at(-1)}\` does not start: ${said}`)
}

// The kernel ends it with this process, whatever ends that.
function callAs({ command, args, user }: Pick<ProcessOrder, 'command' | 'args' | 'user'>): readonly string[] {
  const guard = findProgram('setpriv')
  if (guard === undefined) return [command, ...args]
  const identity =
    user === undefined || process.getuid?.() !== 0
      ? []
      : [`--reuid=${user}`, `--regid=${user}`, '--clear-groups']
  return [guard, ...identity, '--pdeathsig', 'KILL', '--', command, ...args]
}

/** Who a program is run as, and which exit codes are answers; default 0 only. */
export interface ProgramOptions extends Pick<ProcessOrder, 'user'> {
  readonly codes?: readonly number[]
}

/** Runs a program to its end, within a minute, and returns what it wrote to standard output. @throws {DrillFailure} */
export async function runProcess(
  command: string,
  args: readonly string[],
  { user, codes = [0] }: ProgramOptions = {},
): Promise<string> {
  const [first = '', ...rest] = callAs({ command, args, ...(user !== undefined && { user }) })
  try {
    const { stdout } = await run(first, rest, {
      env: environment(),
      cwd: '/',
      timeout: 60_000,
      killSignal: 'SIGKILL',
      maxBuffer: 64 * 1_048_576,
    })
    return stdout
  } catch (error) {
    const {
      stderr = '',
      stdout = '',
      message,
      code,
    } = error as { stderr?: string; stdout?: string; message: string; code?: unknown }
    if (typeof code === 'number' && codes.includes(code)) return stdout
    const said = (stderr || stdout || message).trim().split('\n').slice(-5).join(' | ')
    throw new DrillFailure(`\`${command.split('/').at(-1)} ${args[0] ?? ''}\` failed: ${said}`, {
      cause: error,
    })
  }
}

// No proxy of the machine stands between two ends on the loopback, and nobody's options reach our Node.
function environment(): NodeJS.ProcessEnv {
  const kept = Object.entries(process.env).filter(
    ([name]) => !/^(?:https?|all|no)_proxy$|^NODE_TEST_CONTEXT$/i.test(name),
  )
  return Object.fromEntries(kept)
}

function signalGroup(child: ChildProcess, name: NodeJS.Signals): void {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return
  try {
    process.kill(-child.pid, name)
  } catch {
    // It ended by itself in between.
  }
}

/** How this very program is started again. */
export function qipCall(args: readonly string[]): {
  readonly command: string
  readonly args: readonly string[]
} {
  const isSource = import.meta.url.endsWith('.ts')
  const main = fileURLToPath(new URL(`../main.${isSource ? 'ts' : 'js'}`, import.meta.url))
  const options = isSource ? ['--conditions=quantum-ip-source'] : []
  return { command: process.execPath, args: [...options, main, ...args] }
}

/** A port that is free now. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}

/** Whether somebody listens on a port of the loopback. */
export function listens(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1')
    socket.once('connect', () => {
      socket.destroy()
      resolve(true)
    })
    socket.once('error', () => resolve(false))
  })
}
