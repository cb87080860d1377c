import { randomBytes } from 'node:crypto'
import { mkdir, readdir, rename, rm, stat, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { TrustStore } from '@quantum-ip/trust'
import { EdgeState } from './edge-state.ts'
import { InproxyError } from './inproxy-errors.ts'

/** What {@link openEdgeStateWriter} takes. */
export interface EdgeStateWriterOptions {
  readonly store: TrustStore
  /** Made where it is missing. Whoever may write into it decides who is let in: nobody but this process should. */
  readonly directory: string
  /** Age of the signed state from which on the proxy refuses. Default 5 min, as for a verifier. */
  readonly staleAfterMs?: number
  /** Told once for each attempt that failed; the next state is the next attempt. */
  readonly onError?: (error: Error) => void
}

/** Keeps a folder up to date until it is closed; the folder stays, and ages. */
export interface EdgeStateWriter extends AsyncDisposable {
  /** Writes what is new now, and says whether a state is there. */
  write(): Promise<boolean>
  close(): Promise<void>
}

// A proxy that read the state of the generation before reads its parts within a millisecond.
const generationKeptMs = 60_000

/**
 * Writes what a trust store holds into a folder that proxies on this machine read, each time a state takes effect.
 *
 * Each text is replaced as a whole, by renaming; revocations and heads before the `state` that goes by them. A start writes a
 * generation of its own beside the one before and then the `state` that names it, so that no proxy sees half of one.
 *
 * @throws {InproxyError} `QIP_INPROXY_DIRECTORY_OPEN` where others than owner and group may write into the folder.
 */
export async function openEdgeStateWriter(options: EdgeStateWriterOptions): Promise<EdgeStateWriter> {
  await mkdir(options.directory, { recursive: true, mode: 0o755 })
  const { mode } = await stat(options.directory)
  if ((mode & 0o002) !== 0)
    throw new InproxyError('QIP_INPROXY_DIRECTORY_OPEN', { directory: options.directory })
  const writer = new FolderWriter(options)
  await writer.write()
  return writer
}

class FolderWriter implements EdgeStateWriter {
  readonly #options: EdgeStateWriterOptions
  readonly #unsubscribe: () => void
  #edge: EdgeState
  #isDue = false
  #last: Promise<boolean> = Promise.resolve(false)
  #sweep: NodeJS.Timeout | undefined

  constructor(options: EdgeStateWriterOptions) {
    this.#options = options
    this.#edge = this.#begin()
    this.#unsubscribe = options.store.subscribe({
      onState: () => this.#later(),
      onBundle: () => this.#later(),
    })
  }

  write(): Promise<boolean> {
    this.#isDue = false
    this.#last = this.#last.then(() => this.#write())
    return this.#last
  }

  async close(): Promise<void> {
    this.#unsubscribe()
    clearTimeout(this.#sweep)
    await this.#last
    this.#edge[Symbol.dispose]()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  // Several states while one is written are one.
  #later(): void {
    if (this.#isDue) return
    this.#isDue = true
    void this.#last.then(() => (this.#isDue ? this.write() : false))
  }

  #begin(): EdgeState {
    const { store, staleAfterMs = 300_000 } = this.#options
    this.#sweepLater()
    return new EdgeState({ store, generation: `g-${randomBytes(8).toString('hex')}`, staleAfterMs })
  }

  async #write(): Promise<boolean> {
    const { directory, onError } = this.#options
    try {
      const { parts, state, gone } = this.#edge.changes()
      for (const [name, text] of parts) await replaceFile(join(directory, name), text)
      if (state !== undefined) await replaceFile(join(directory, 'state'), state)
      for (const name of gone) await rm(join(directory, name), { force: true })
      return state !== undefined
    } catch (error) {
      // Half of the changes may be there: what is written next is all of it.
      this.#edge[Symbol.dispose]()
      this.#edge = this.#begin()
      onError?.(error as Error)
      return false
    }
  }

  #sweepLater(): void {
    clearTimeout(this.#sweep)
    this.#sweep = setTimeout(() => {
      this.#last = this.#last.then(async (done) => {
        await this.#removeOthers().catch((error: unknown) => this.#options.onError?.(error as Error))
        return done
      })
    }, generationKeptMs)
    this.#sweep.unref()
  }

  async #removeOthers(): Promise<void> {
    const { directory } = this.#options
    const own = this.#edge.generation
    for (const name of await readdir(directory)) {
      if (!/^g-[0-9a-f]{16}$/.test(name) || name === own) continue
      // Heads first: what is revoked must not look as if it were not while a head still vouches for it.
      await rm(join(directory, name, 'heads'), { recursive: true, force: true })
      await rm(join(directory, name), { recursive: true, force: true })
    }
  }
}

async function replaceFile(path: string, text: string): Promise<void> {
  const draft = `${path}.draft`
  try {
    await writeFile(draft, text, { mode: 0o644 })
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
    await mkdir(dirname(path), { recursive: true, mode: 0o755 })
    await writeFile(draft, text, { mode: 0o644 })
  }
  await rename(draft, path)
}
