import { setTimeout as sleep } from 'node:timers/promises'

/** Waits until `condition` holds. Fails with what was waited for, and never hangs. */
export async function until(what: string, condition: () => boolean, timeoutMs = 30_000): Promise<void> {
  const deadline = performance.now() + timeoutMs
  while (!condition()) {
    if (performance.now() > deadline) throw new Error(`waited too long until ${what}`)
    await sleep(2)
  }
}
