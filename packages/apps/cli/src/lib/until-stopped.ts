import { once } from 'node:events'

/** Resolves when somebody wants this process to stop. */
export async function untilStopped(): Promise<void> {
  await Promise.race([once(process, 'SIGINT'), once(process, 'SIGTERM')])
}
