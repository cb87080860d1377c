/** Runs what is under way for one key once, for all who ask meanwhile. */
export class SingleFlight<T> {
  readonly #flights = new Map<string, Promise<T>>()

  get size(): number {
    return this.#flights.size
  }

  run(key: string, start: () => Promise<T>): Promise<T> {
    const flight = this.#flights.get(key)
    if (flight !== undefined) return flight
    const started = start().finally(() => this.#flights.delete(key))
    this.#flights.set(key, started)
    return started
  }

  has(key: string): boolean {
    return this.#flights.has(key)
  }
}
