/**
 * What `asked` comes to, or `undefined` once `ms` milliseconds are over. What comes later is ignored, be it an error.
 */
export function within<T>(asked: Promise<T>, ms: number): Promise<T | undefined> {
  return new Promise((resolve, reject) => {
    // A loop that stood still runs its timers before it reads: one turn more, and an answer that was there in time counts.
    const timer = setTimeout(() => setImmediate(() => resolve(undefined)), ms)
    asked.then(
      (value) => {
        clearTimeout(timer)
        resolve(value)
      },
      (error: unknown) => {
        clearTimeout(timer)
        reject(error instanceof Error ? error : new Error('unknown'))
      },
    )
  })
}
