import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import type { FloodPlan } from './flood-worker.ts'
import type { Lab } from './lab.ts'

/** More requests than a gateway can serve. */
export interface Flood {
  /** Ends it. @returns how many answers it got, by status */
  stop(): Promise<Readonly<Record<string, number>>>
}

/** Starts a flood on a thread of its own. */
export function startFlood(lab: Lab, plan: FloodPlan): Flood {
  const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js'
  const worker = new Worker(new URL(`./flood-worker.${extension}`, import.meta.url), { workerData: plan })
  lab.defer(() => worker.terminate())
  return {
    async stop() {
      const told = once(worker, 'message')
      worker.postMessage('stop')
      const [statuses] = (await told) as [Readonly<Record<string, number>>]
      await worker.terminate()
      return statuses
    },
  }
}
