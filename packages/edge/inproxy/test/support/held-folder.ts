import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { CaseWorld } from '../../../enforce/test/support/case-world.ts'
import { type EdgeStateWriter, openEdgeStateWriter } from '../../src/index.ts'

/** The folder that a proxy under test goes by, as it is for the domain of each case. */
export class HeldFolder implements AsyncDisposable {
  readonly directory: string
  readonly #world: CaseWorld
  #of: CaseWorld['domain'] | undefined
  #writer: EdgeStateWriter | undefined

  private constructor(directory: string, world: CaseWorld) {
    this.directory = directory
    this.#world = world
  }

  static async open(world: CaseWorld): Promise<HeldFolder> {
    return new HeldFolder(await mkdtemp(join(tmpdir(), 'qip-edge-state-')), world)
  }

  /** Writes what the store of the case's domain holds now. */
  async settle(): Promise<void> {
    const { domain } = this.#world
    if (this.#of !== domain) {
      await this.#writer?.close()
      this.#writer = await openEdgeStateWriter({ store: domain.store, directory: this.directory })
      this.#of = domain
    }
    await this.#writer?.write()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#writer?.close()
    await rm(this.directory, { recursive: true, force: true })
  }
}
