/** Lets work of one name be done one after the other; work of different names goes on side by side. */
export class Turns {
  readonly #last = new Map<string, Promise<unknown>>()

  /** Does `work` once all earlier work of `name` has ended, however it ended. */
  run<Value>(name: string, work: () => Promise<Value>): Promise<Value> {
    const done = (this.#last.get(name) ?? Promise.resolve()).catch(() => undefined).then(work)
    this.#last.set(name, done)
    const forget = (): void => {
      if (this.#last.get(name) === done) this.#last.delete(name)
    }
    done.then(forget, forget)
    return done
  }
}
