import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { hex, isQipError, type JsonObject, parseJson, utf8 } from '@quantum-ip/base'
import { sha256 } from '@quantum-ip/crypto'
import type { ObjectStore } from '../store/object-store.ts'

/** Two signed checkpoints of one log, the second of which was not shown to extend the first. */
export interface ForkReport {
  readonly origin: string
  /**
   * Whether the two alone prove it: they are of one size and differ. Else the proof that came with the second one was wrong, which
   * its submitter may be to blame for: look whether the log can give a right one.
   */
  readonly proven: boolean
  readonly timeMs: number
  /** Both as they were signed, c2sp.org/signed-note. */
  readonly held: string
  readonly offered: string
}

/** Reports kept for each log: whoever has a signed checkpoint can bring it with as many wrong proofs as he likes. */
const perLogMax = 64

/** Keeps forks as files, one each, named after both checkpoints: the same pair is kept once. */
export class ForkReports {
  readonly #store: ObjectStore
  readonly #folder: string

  /** @param folder the directory of `store`, whose files are listed */
  constructor(store: ObjectStore, folder: string) {
    this.#store = store
    this.#folder = folder
  }

  /** @throws {MirrorError} `QIP_MIRROR_STORE_UNAVAILABLE` */
  async keep(report: ForkReport): Promise<void> {
    const log = hex(sha256(utf8(report.origin)))
    const pair = hex(sha256(utf8(`${textOf(report.held)}\n${textOf(report.offered)}`))).slice(0, 32)
    const path = `${log}/${report.proven ? 'proven' : 'unproven'}-${pair}.json`
    const names = await this.#names(log)
    if (names.includes(path)) return
    if (!report.proven && names.length >= perLogMax) return
    await this.#store.write(path, utf8(`${JSON.stringify(report, undefined, 2)}\n`), 'json')
  }

  /** All of them, the oldest first. A file that cannot be read is passed over. */
  async list(): Promise<readonly ForkReport[]> {
    const logs = await namesIn(this.#folder)
    const paths = (await Promise.all(logs.map((log) => this.#names(log)))).flat()
    const reports = await Promise.all(paths.map((path) => this.#read(path)))
    return reports.filter((report) => report !== undefined).sort((a, b) => a.timeMs - b.timeMs)
  }

  async #names(log: string): Promise<readonly string[]> {
    const names = await namesIn(join(this.#folder, log))
    return names.filter((name) => name.endsWith('.json')).map((name) => `${log}/${name}`)
  }

  async #read(path: string): Promise<ForkReport | undefined> {
    const bytes = await this.#store.read(path)
    if (bytes === undefined) return undefined
    try {
      const json = parseJson(Buffer.from(bytes).toString('utf8')) as JsonObject
      const { origin, proven, timeMs, held, offered } = json as unknown as ForkReport
      return { origin, proven, timeMs, held, offered }
    } catch (error) {
      if (isQipError(error)) return undefined
      throw error
    }
  }
}

// What was signed: the same tree with another signature is no other report.
function textOf(note: string): string {
  return note.slice(0, note.lastIndexOf('\n\n') + 1)
}

async function namesIn(folder: string): Promise<readonly string[]> {
  try {
    return await readdir(folder)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return []
    throw error
  }
}
