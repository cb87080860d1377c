import { type Clock, equalBytes, isQipError } from '@quantum-ip/base'
import type { NoteVerifierKey } from '@quantum-ip/crypto'
import {
  emptyRoot,
  formatNoteSignature,
  type NoteSigner,
  parseCheckpoint,
  parseNote,
  signNoteText,
  type VerifiedCheckpoint,
  verifyCheckpoint,
  verifyConsistency,
} from '@quantum-ip/log'
import { MirrorError } from '../mirror-errors.ts'
import type { ForkReports } from '../report/fork-reports.ts'
import { Turns } from '../lib/turns.ts'
import { parseSubmission, type Submission } from './submission.ts'
import type { WitnessedLog, WitnessStore } from './witness-store.ts'

/** Finds the keys of a log. */
export interface LogKeys {
  /** The keys that may sign checkpoints of the log; none if the log is not known. */
  keysOf(origin: string): Promise<readonly NoteVerifierKey[]>
}

/** What a witness is made of. */
export interface WitnessOptions {
  /** One or several, all of one name; `timestampS` is set with each signature. */
  readonly signers: readonly Omit<NoteSigner, 'timestampS'>[]
  readonly logs: LogKeys
  readonly store: WitnessStore
  readonly reports: ForkReports
  readonly clock: Clock
  /** A log showed two views: the proof is kept already. */
  readonly onFork?: (fork: MirrorError<'QIP_MIRROR_FORK'>) => void
}

/**
 * A witness (c2sp.org/tlog-witness): cosigns a checkpoint only if it extends every one that it cosigned before for that log. Who sees
 * its cosignature knows that everybody else who sees one was shown the same log.
 *
 * INVARIANT: the new size and root are durable before the cosignature is made, under a compare-and-set for each log. So two
 * cosignatures of one witness are never of views that do not extend each other, whenever the power goes.
 */
export class Witness {
  readonly #options: WitnessOptions
  readonly #turns = new Turns()

  constructor(options: WitnessOptions) {
    this.#options = options
  }

  /** The name under which it signs. */
  get name(): string {
    return this.#options.signers[0]?.name ?? ''
  }

  /**
   * `add-checkpoint`: the cosignature lines, each with its newline.
   *
   * @throws {MirrorError} `QIP_MIRROR_SUBMISSION_MALFORMED` (400) · `QIP_MIRROR_LOG_UNKNOWN` (404) · `QIP_MIRROR_CHECKPOINT_UNSIGNED`
   *   (403) · `QIP_MIRROR_SIZE_CONFLICT` (409) · `QIP_MIRROR_FORK` (422) · `QIP_MIRROR_STORE_UNAVAILABLE`: nothing was signed
   * @throws {LogError} for a malformed note or checkpoint (400)
   */
  async addCheckpoint(body: Uint8Array): Promise<string> {
    const submission = parseSubmission(body)
    const checkpoint = await this.#verify(submission.note)
    return this.#turns.run(checkpoint.origin, () => this.#cosign(submission, checkpoint))
  }

  /** The last checkpoint of the log that was cosigned here, with the log's signatures and ours; `undefined` if there is none. */
  async latest(originHash: string): Promise<string | undefined> {
    return (await this.#options.store.readByHash(originHash))?.note
  }

  async #verify(text: string): Promise<VerifiedCheckpoint> {
    const note = parseNote(text)
    const { origin } = parseCheckpoint(note.text)
    const logKeys = await this.#options.logs.keysOf(origin)
    if (logKeys.length === 0) throw new MirrorError('QIP_MIRROR_LOG_UNKNOWN', { origin })
    try {
      return await verifyCheckpoint({ note, origin, logKeys, logSignature: 'any' })
    } catch (cause) {
      if (!isQipError(cause)) throw cause
      throw new MirrorError('QIP_MIRROR_CHECKPOINT_UNSIGNED', { origin }, { cause })
    }
  }

  async #cosign(submission: Submission, checkpoint: VerifiedCheckpoint): Promise<string> {
    const { store } = this.#options
    const { origin, size, root } = checkpoint
    const held = (await store.read(origin)) ?? nothing(origin)
    const split = await this.#findSplit(held, submission, checkpoint)
    if (submission.old !== held.size)
      throw new MirrorError('QIP_MIRROR_SIZE_CONFLICT', { origin, size: held.size })
    if (split !== undefined) throw split
    await this.#checkExtends(held, submission, checkpoint)
    const { text } = parseNote(submission.note)
    // First what was seen, then what is said of it: a crash in between costs a signature, never a promise.
    if (size > held.size || held.note === '') {
      await store.write({ origin, size, root, note: submission.note })
    }
    const lines = await this.#sign(text)
    await store.write({ origin, size, root, note: withLines(submission.note, lines) })
    return lines
  }

  /** Two trees of one size, both signed by the log: nothing else is needed to prove it. Kept whatever `old` says. */
  async #findSplit(held: WitnessedLog, { note }: Submission, offered: VerifiedCheckpoint) {
    if (held.note === '' || offered.size !== held.size || equalBytes(offered.root, held.root))
      return undefined
    return this.#fork(held, offered, { note, proven: true })
  }

  async #checkExtends(
    held: WitnessedLog,
    { proof, note }: Submission,
    offered: VerifiedCheckpoint,
  ): Promise<void> {
    try {
      if (held.size === 0) {
        if (proof.length > 0)
          throw new MirrorError('QIP_MIRROR_SUBMISSION_MALFORMED', { reason: 'a proof from nothing' })
        return
      }
      const { size: size2, root: root2 } = offered
      verifyConsistency({ size1: held.size, size2, root1: held.root, root2, proof })
    } catch (error) {
      if (!isQipError(error) || error instanceof MirrorError) throw error
      throw await this.#fork(held, offered, { note, proven: false })
    }
  }

  async #fork(
    held: WitnessedLog,
    offered: VerifiedCheckpoint,
    { note, proven }: { readonly note: string; readonly proven: boolean },
  ): Promise<MirrorError<'QIP_MIRROR_FORK'>> {
    const { reports, clock, onFork } = this.#options
    const { origin, size } = offered
    await reports.keep({ origin, proven, timeMs: clock.now(), held: held.note, offered: note })
    const fork = new MirrorError('QIP_MIRROR_FORK', { origin, held: held.size, offered: size, proven })
    onFork?.(fork)
    return fork
  }

  async #sign(text: string): Promise<string> {
    const { signers, clock } = this.#options
    // Never 0: a cosignature says that this is the largest tree that was seen (c2sp.org/tlog-witness).
    const timestampS = Math.max(1, Math.floor(clock.now() / 1_000))
    const lines = await Promise.all(signers.map((signer) => signNoteText(text, { ...signer, timestampS })))
    return lines.map((line) => `${formatNoteSignature(line)}\n`).join('')
  }
}

function nothing(origin: string): WitnessedLog {
  return { origin, size: 0, root: emptyRoot(), note: '' }
}

/** The log's own note and our lines; an earlier cosignature of ours that the submitter sent along would be there twice. */
function withLines(note: string, lines: string): string {
  const own = new Set(lines.split('\n').map((line) => line.split(' ')[1]))
  const split = note.lastIndexOf('\n\n') + 2
  const others = note
    .slice(split)
    .split('\n')
    .filter((line) => line !== '' && !own.has(line.split(' ')[1]))
  return `${note.slice(0, split)}${others.map((line) => `${line}\n`).join('')}${lines}`
}
