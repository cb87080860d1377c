import { Worker } from 'node:worker_threads'
import type { JsonObject } from '@quantum-ip/base'
import type { Admission } from '@quantum-ip/client'
import { SharedLoad } from '@quantum-ip/point'
import type { Config } from '@quantum-ip/http'
import type { DecisionRecord, RecentDecision, TelemetryBatch } from '@quantum-ip/telemetry'
import { CliError } from '../cli-errors.ts'
import type { CarriedAdmission, GatewayThreadData, ThreadCall, ThreadWord } from './gateway-thread.ts'
import type { RunningGateway } from './running-gateway.ts'

/** What the threads of a gateway share. */
export interface GatewayThreadsOptions extends Omit<GatewayThreadData, 'thread' | 'admitted'> {
  readonly admission: Admission
  /** Admits again, for all threads. */
  readonly readmit: (() => Promise<Admission>) | undefined
  readonly onEvent: (text: string) => void
  /** Takes spans and records that are to be sent to a Collector. */
  readonly onTelemetry: (batch: TelemetryBatch) => void
}

/**
 * Runs a gateway in several threads on one port.
 *
 * Threads, not processes: they share the replay filter's memory. Processes would each take a one-time token once.
 */
export async function openGatewayThreads(
  options: GatewayThreadsOptions,
  count: number,
): Promise<RunningGateway> {
  const first = await GatewayThread.open(options, 0)
  const threads = [first]
  try {
    // The first one may have been given any free port; the others join it there.
    const listen = { ...options.config.gateway.listen, port: Number(new URL(first.url).port) }
    const config: Config = { ...options.config, gateway: { ...options.config.gateway, listen } }
    for (let thread = 1; thread < count; thread++)
      threads.push(await GatewayThread.open({ ...options, config }, thread))
  } catch (error) {
    await Promise.all(threads.map((thread) => thread.close()))
    throw error
  }
  return {
    url: first.url,
    async find(decision) {
      const found = await Promise.all(
        threads.map((thread) => thread.ask<RecentDecision>({ kind: 'find', decision })),
      )
      return found.find((one) => one !== undefined)
    },
    async newest(most) {
      const lists = await Promise.all(
        threads.map((thread) => thread.ask<readonly RecentDecision[]>({ kind: 'newest', count: most })),
      )
      return lists
        .flatMap((list) => list ?? [])
        .sort((a, b) => b.record.timeMs - a.record.timeMs)
        .slice(0, most)
    },
    async unlogged() {
      const lists = await Promise.all(
        threads.map((thread) => thread.ask<readonly DecisionRecord[]>({ kind: 'unlogged' })),
      )
      return lists.flatMap((list) => list ?? []).sort((a, b) => b.timeMs - a.timeMs)
    },
    async status() {
      const states = await Promise.all(threads.map((thread) => thread.ask<JsonObject>({ kind: 'status' })))
      return states.map((state) => state ?? {})
    },
    // Each thread follows by itself; the first one's answer is as good as any.
    policyText: (name, version) => first.ask<string>({ kind: 'policy', name, version }),
    refresh: () => threads.map(({ cells }) => cells),
    async close() {
      await Promise.all(threads.map((thread) => thread.close()))
    },
  }
}

type Question = ThreadCall extends infer Call
  ? Call extends { readonly id: number }
    ? Omit<Call, 'id'>
    : never
  : never

class GatewayThread {
  readonly url: string
  readonly cells: Float64Array
  readonly #worker: Worker
  readonly #waiting = new Map<number, (answer: unknown) => void>()
  #asked = 0

  private constructor(worker: Worker, ready: ThreadWord & { kind: 'ready' }) {
    this.#worker = worker
    this.url = ready.url
    this.cells = ready.cells
  }

  static async open(options: GatewayThreadsOptions, thread: number): Promise<GatewayThread> {
    const { admission, readmit: _readmit, onEvent, onTelemetry: _onTelemetry, ...shared } = options
    const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js'
    const data: GatewayThreadData = { ...shared, thread, admitted: carried(admission) }
    const worker = new Worker(new URL(`./gateway-thread.${extension}`, import.meta.url), { workerData: data })
    const ready = await new Promise<ThreadWord & { kind: 'ready' }>((resolve, reject) => {
      worker.on('message', (word: ThreadWord) => {
        if (word.kind === 'ready') resolve(word)
        if (word.kind === 'failed') reject(failed(thread, word.reason))
      })
      worker.once('error', (error: Error) => reject(failed(thread, error.message)))
    })
    const opened = new GatewayThread(worker, ready)
    worker.on('message', (word: ThreadWord) => opened.#hear(word, options))
    worker.on('error', (error: Error) => {
      // What it held of the limits would be held for ever.
      new SharedLoad(shared.loadMemory, thread).abandon()
      onEvent(`gateway thread ${thread} ended: ${error.message}`)
    })
    return opened
  }

  ask<Answer>(question: Question): Promise<Answer | undefined> {
    const id = ++this.#asked
    return new Promise((resolve) => {
      this.#waiting.set(id, resolve as (answer: unknown) => void)
      this.#worker.postMessage({ ...question, id })
    })
  }

  async close(): Promise<void> {
    const ended = new Promise((resolve) => this.#worker.once('exit', resolve))
    await Promise.race([this.ask({ kind: 'close' }), ended])
    await this.#worker.terminate()
  }

  #hear(word: ThreadWord, { readmit, onEvent, onTelemetry }: GatewayThreadsOptions): void {
    if (word.kind === 'event') onEvent(word.text)
    if (word.kind === 'telemetry') onTelemetry(word.batch)
    if (word.kind === 'answer') {
      this.#waiting.get(word.id)?.(word.answer)
      this.#waiting.delete(word.id)
    }
    if (word.kind !== 'readmit' || readmit === undefined) return
    readmit().then(
      (admission) => this.#worker.postMessage({ kind: 'admitted', ...carried(admission) }),
      (error: unknown) => {
        const reason = error instanceof Error ? error.message : 'unknown'
        onEvent(`gateway: not admitted again: ${reason}`)
        this.#worker.postMessage({ kind: 'refused', reason })
      },
    )
  }
}

function carried(admission: Admission): CarriedAdmission {
  return { admission: { ...admission }, key: admission.key }
}

function failed(thread: number, reason: string): CliError {
  return new CliError('QIP_CLI_UNREACHABLE', { what: `gateway thread ${thread}`, reason })
}
