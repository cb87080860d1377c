import type { Operations } from './operations.ts'

const lookMs = 2_000

/**
 * Declares by itself what is due, and looks at what is declared, every two seconds until it is disposed of. A store that cannot be
 * read now is read the next time.
 */
export async function watchDeclared(operations: Pick<Operations, 'settle'>): Promise<Disposable> {
  let isBusy = true
  const settle = async (): Promise<void> => {
    isBusy = true
    try {
      await operations.settle()
    } catch {
      // The next turn does it.
    } finally {
      isBusy = false
    }
  }
  await settle()
  const timer = setInterval(() => {
    if (!isBusy) void settle()
  }, lookMs).unref()
  return { [Symbol.dispose]: () => clearInterval(timer) }
}
