import { parentPort, workerData } from 'node:worker_threads'
import { ReplayFilter } from '../src/index.ts'

/** What the test hands to each thread. */
export interface ReplayWork {
  readonly memory: SharedArrayBuffer
  /** One word: how many threads are ready. All begin together. */
  readonly gate: SharedArrayBuffer
  readonly threads: number
  readonly uses: readonly { readonly log: string; readonly index: number; readonly expiresS: number }[]
  readonly issuedS: number
  readonly nowMs: number
}

const { memory, gate, threads, uses, issuedS, nowMs } = workerData as ReplayWork
const filter = new ReplayFilter(memory)
const ready = new Int32Array(gate)
Atomics.add(ready, 0, 1)
while (Atomics.load(ready, 0) < threads) {
  // Threads that begin at the same moment race the most.
}
const outcomes = uses.map((use) =>
  filter.consume({ ...use, issuedS, nowMs, requestId: undefined, proxy: undefined }),
)
// oxlint-disable-next-line unicorn/require-post-message-target-origin -- that is for windows, this is a thread
parentPort?.postMessage(outcomes)
