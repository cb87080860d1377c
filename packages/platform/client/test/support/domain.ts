import { TestDomain } from '../../../../core/verifier/test/fixture.ts'

/** A state as it was published, with what a history needs to know of it. */
export interface Published {
  readonly seq: number
  readonly timeMs: number
  readonly state: string
  /** Only where it is new with this state. */
  readonly bundle: string | undefined
  /** How many heads had been listed up to and with this state. */
  readonly heads: number
  readonly epoch: number
}

/** The trust domain of the verifier's tests, all real and in memory, that remembers what it published. */
export class RecordedDomain extends TestDomain {
  readonly steps: Published[] = []
  readonly #listeners = new Set<(step: Published) => void>()

  static async open(options: ConstructorParameters<typeof TestDomain>[0] = {}): Promise<RecordedDomain> {
    const domain = new RecordedDomain(options)
    await domain.open()
    return domain
  }

  /** The newest step. */
  get current(): Published {
    return this.steps.at(-1) as Published
  }

  onPublish(listener: (step: Published) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  override async publish(): Promise<void> {
    await super.publish()
    const state = this.store.state
    if (state === undefined) throw new Error('nothing was published')
    const bundle = this.published.bundles.at(-1)
    const isNew = this.steps.every((step) => step.bundle !== bundle)
    const step: Published = {
      seq: state.seq,
      timeMs: state.timeMs,
      state: this.published.states.at(-1) as string,
      bundle: isNew ? bundle : undefined,
      heads: this.heads.length,
      epoch: state.epoch,
    }
    this.steps.push(step)
    for (const listener of this.#listeners) listener(step)
  }
}
