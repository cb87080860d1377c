import { once } from 'node:events'
import { type MessagePort, Worker, parentPort, workerData } from 'node:worker_threads'
import { EnforceError } from '../enforce-errors.ts'
import type { Gateway } from './gateway.ts'
import type { BoundAddress } from './listener.ts'
import type { ListenerOptions } from './relay-options.ts'

/** What {@link openGatewayThreads} needs. */
export interface GatewayThreadsOptions {
  /** The module of a thread: it calls {@link serveGatewayThread}. */
  readonly entry: URL
  readonly threads: number
  /** For each thread; cloned. A `SharedArrayBuffer` in it is shared: the memory of the replay filter, above all. */
  readonly data: unknown
  /** Hears what threads post. */
  readonly onMessage?: (message: unknown, thread: number) => void
  /** A thread ended by itself. The others go on; there is one less. */
  readonly onFailed?: (error: EnforceError) => void
}

/** Gateways on several threads, on the same ports. */
export interface GatewayThreads {
  readonly addresses: readonly BoundAddress[]
  /** Posts to every thread: new trust, new policies. */
  post(message: unknown): void
  /** Stops all of them gracefully. */
  close(): Promise<void>
  [Symbol.asyncDispose](): Promise<void>
}

/** What a thread is given. */
export interface GatewayThread {
  /** From 0. */
  readonly thread: number
  readonly threads: number
  readonly data: unknown
  /** The listeners of this thread: those given, on the ports that all threads share. */
  listeners(listeners: readonly ListenerOptions[]): readonly ListenerOptions[]
  post(message: unknown): void
  onMessage(listener: (message: unknown) => void): void
}

type ToThread = { readonly kind: 'message'; readonly value: unknown } | { readonly kind: 'close' }
type FromThread =
  | { readonly kind: 'ready'; readonly addresses: readonly BoundAddress[] }
  | { readonly kind: 'failed'; readonly reason: string }
  | { readonly kind: 'message'; readonly value: unknown }

interface Start {
  readonly thread: number
  readonly threads: number
  readonly data: unknown
  /** The port of each listener, once the first thread has one. */
  readonly ports: readonly number[] | undefined
}

// Where several sockets may listen on one port, and the kernel spreads connections over them.
const sharing = new Set<string>(['linux', 'freebsd', 'aix', 'sunos'])

/**
 * Runs gateways on several threads of one process, on the same ports (`SO_REUSEPORT`).
 *
 * Threads, not processes: with one replay filter in shared memory a one-time token passes exactly once, whichever thread it comes
 * to. With one load memory (`allocateLoadMemory`) limits and shares of quarantine are those of the process too.
 *
 * @throws {EnforceError} `QIP_ENFORCE_OPTION_INVALID` where ports can't be shared, `QIP_ENFORCE_THREAD_FAILED` if a gateway does not open.
 */
export async function openGatewayThreads(options: GatewayThreadsOptions): Promise<GatewayThreads> {
  const { threads } = options
  if (!Number.isInteger(threads) || threads < 1 || threads > 256) throw invalid('not a number from 1 to 256')
  if (threads > 1 && !sharing.has(process.platform))
    throw invalid(`${process.platform} has no ports that threads share`)
  const workers = new Set<Worker>()
  try {
    const addresses = await openThread(options, workers, undefined)
    const ports = addresses.map(({ port }) => port)
    for (let thread = 1; thread < threads; thread++) await openThread(options, workers, { thread, ports })
    return openThreads(workers, addresses)
  } catch (error) {
    await Promise.all([...workers].map((worker) => worker.terminate()))
    throw error
  }
}

function invalid(reason: string): EnforceError {
  return new EnforceError('QIP_ENFORCE_OPTION_INVALID', { option: 'threads', reason })
}

async function openThread(
  options: GatewayThreadsOptions,
  workers: Set<Worker>,
  place: { readonly thread: number; readonly ports: readonly number[] } | undefined,
): Promise<readonly BoundAddress[]> {
  const thread = place?.thread ?? 0
  const start: Start = { thread, threads: options.threads, data: options.data, ports: place?.ports }
  const worker = new Worker(options.entry, { workerData: start, name: `gateway-${thread}` })
  workers.add(worker)
  const opened = Promise.withResolvers<readonly BoundAddress[]>()
  let reason = 'it ended without a word'
  worker.on('message', (message: FromThread) => {
    if (message.kind === 'ready') opened.resolve(message.addresses)
    else if (message.kind === 'failed') reason = message.reason
    else options.onMessage?.(message.value, thread)
  })
  worker.on('error', (error) => {
    reason = error instanceof Error ? error.message : 'it threw what is no error'
  })
  worker.on('exit', (code) => {
    workers.delete(worker)
    if (code === 0) return
    const error = new EnforceError('QIP_ENFORCE_THREAD_FAILED', { thread, reason })
    opened.reject(error)
    if (isOpen) options.onFailed?.(error)
  })
  let isOpen = false
  const addresses = await opened.promise
  isOpen = true
  return addresses
}

function openThreads(workers: ReadonlySet<Worker>, addresses: readonly BoundAddress[]): GatewayThreads {
  const send = (message: ToThread): void => {
    // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread has no origin
    for (const worker of workers) worker.postMessage(message)
  }
  const close = async (): Promise<void> => {
    const ended = [...workers].map((worker) => once(worker, 'exit'))
    send({ kind: 'close' })
    await Promise.all(ended)
  }
  return {
    addresses,
    post: (value) => {
      send({ kind: 'message', value })
    },
    close,
    [Symbol.asyncDispose]: close,
  }
}

/**
 * The body of a gateway thread: opens its gateway, or another point, says where it listens, and closes it when it is told to.
 *
 * @throws {TypeError} outside a worker thread.
 */
export async function serveGatewayThread(
  open: (thread: GatewayThread) => Promise<Pick<Gateway, 'addresses' | 'close'>>,
): Promise<void> {
  const port = parentPort
  if (port === null) throw new TypeError('not a worker thread')
  const thread = new ServedThread(port, workerData as Start)
  try {
    const gateway = await open(thread)
    thread.onClose(() => gateway.close())
    port.postMessage({ kind: 'ready', addresses: gateway.addresses } satisfies FromThread)
  } catch (error) {
    const reason = error instanceof Error ? error.message : 'it threw what is no error'
    port.postMessage({ kind: 'failed', reason } satisfies FromThread)
    process.exitCode = 1
    port.close()
  }
}

class ServedThread implements GatewayThread {
  readonly thread: number
  readonly threads: number
  readonly data: unknown
  readonly #ports: readonly number[] | undefined
  readonly #port: MessagePort
  #listener: ((message: unknown) => void) | undefined
  // What was posted before somebody listened.
  readonly #early: unknown[] = []
  #close: (() => Promise<void>) | undefined

  constructor(port: MessagePort, start: Start) {
    this.thread = start.thread
    this.threads = start.threads
    this.data = start.data
    this.#ports = start.ports
    this.#port = port
    port.on('message', (message: ToThread) => {
      if (message.kind === 'close') void this.#end()
      else if (this.#listener === undefined) this.#early.push(message.value)
      else this.#listener(message.value)
    })
  }

  listeners(listeners: readonly ListenerOptions[]): readonly ListenerOptions[] {
    const reusePort = this.threads > 1
    return listeners
      .map((listener, at) => {
        const port = this.#ports?.[at]
        return listener.path !== undefined
          ? listener
          : { ...listener, reusePort, ...(port !== undefined && { port }) }
      })
      .filter(({ path }) => path === undefined || this.thread === 0)
  }

  post(value: unknown): void {
    // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread has no origin
    this.#port.postMessage({ kind: 'message', value } satisfies FromThread)
  }

  onMessage(listener: (message: unknown) => void): void {
    this.#listener = listener
    for (const message of this.#early.splice(0)) listener(message)
  }

  onClose(close: () => Promise<void>): void {
    this.#close = close
  }

  async #end(): Promise<void> {
    await this.#close?.()
    // Only this thread; what its parts still hold open is of no use to anybody.
    process.exit(0)
  }
}
