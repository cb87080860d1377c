import { setTimeout as sleep } from 'node:timers/promises'

/** Waits, or ends at once where `signal` is aborted. Resolves in both cases: whoever waits looks at the signal afterwards. */
export async function wait(ms: number, signal: AbortSignal): Promise<void> {
  try {
    await sleep(ms, undefined, { signal })
  } catch {
    // Aborted; nothing else can happen.
  }
}
