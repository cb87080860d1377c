import { type CodedError, isQipError } from '@quantum-ip/base'
import { type Log, parseCheckpoint, parseNote } from '@quantum-ip/log'
import { MirrorError } from '../mirror-errors.ts'
import { submitCheckpoint, type WitnessAddress, type WitnessAnswer } from './witness-client.ts'

/** What submitting to witnesses reports. */
export type CosigningEvent =
  /** The witness was away; the next checkpoint is submitted to it again. */
  | {
      readonly kind: 'witness_unavailable'
      readonly witness: string
      readonly origin: string
      readonly error: CodedError
    }
  /** The witness refused. With status 409 or 422 it holds another view of the log than this: look into it at once. */
  | {
      readonly kind: 'witness_refused'
      readonly witness: string
      readonly origin: string
      readonly status: number
      readonly error: CodedError
    }

/** Which witnesses, and how many of them. */
export interface CosignersOptions {
  readonly witnesses: readonly WitnessAddress[]
  /** How many must have cosigned. */
  readonly quorum: number
  /** Milliseconds for one witness. Default 5,000. */
  readonly timeoutMs?: number
  readonly onEvent?: (event: CosigningEvent) => void
}

/** The log that a checkpoint is of: for proofs of consistency. */
export type CosignedLog = Pick<Log, 'consistencyProof'>

/** A cosignature is asked for again where the witness holds another size than was thought: so many times. */
const attemptsMax = 3

/** Has checkpoints cosigned by the witnesses of a log. */
export class Cosigners {
  readonly #options: CosignersOptions
  /** By witness and origin: the size that it holds, as far as it is known. */
  readonly #sizes = new Map<string, number>()

  constructor(options: CosignersOptions) {
    this.#options = options
  }

  /**
   * The note with the cosignatures of all witnesses that answered in time.
   *
   * @throws {MirrorError} `QIP_MIRROR_QUORUM_MISSING`
   */
  async cosign(note: string, log: CosignedLog): Promise<string> {
    const { witnesses, quorum } = this.#options
    const { origin } = parseCheckpoint(parseNote(note).text)
    const lines = await Promise.all(witnesses.map((witness) => this.#ask(witness, { note, origin, log })))
    const found = lines.filter((line) => line !== undefined)
    if (found.length < quorum)
      throw new MirrorError('QIP_MIRROR_QUORUM_MISSING', { origin, required: quorum, found: found.length })
    return note + found.join('')
  }

  async #ask(witness: WitnessAddress, asked: Asked): Promise<string | undefined> {
    const { origin } = asked
    try {
      return await this.#submit(witness, asked)
    } catch (error) {
      if (!isQipError(error)) throw error
      const { onEvent } = this.#options
      const place = { witness: witness.name, origin, error }
      if (error instanceof MirrorError && isQipError(error, 'QIP_MIRROR_WITNESS_REFUSED')) {
        const { status } = error.details as { status: number }
        onEvent?.({ kind: 'witness_refused', ...place, status })
      } else onEvent?.({ kind: 'witness_unavailable', ...place })
      return undefined
    }
  }

  async #submit(witness: WitnessAddress, { note, origin, log }: Asked): Promise<string> {
    const { timeoutMs = 5_000 } = this.#options
    const { size } = parseCheckpoint(parseNote(note).text)
    const key = `${witness.name} ${origin}`
    for (let attempt = 1; ; attempt++) {
      const old = Math.min(this.#sizes.get(key) ?? 0, size)
      const proof = old === 0 || old === size ? [] : await log.consistencyProof(old, size)
      const answer: WitnessAnswer = await submitCheckpoint(witness, { old, proof, note }, timeoutMs)
      if (answer.kind === 'cosigned') {
        this.#sizes.set(key, size)
        return answer.lines
      }
      this.#sizes.set(key, answer.size)
      // Beyond what is submitted: another of our processes was faster, or somebody else speaks for this log.
      if (answer.size > size || attempt >= attemptsMax) throw conflict(witness, answer.size, size)
    }
  }
}

interface Asked {
  readonly note: string
  readonly origin: string
  readonly log: CosignedLog
}

function conflict({ name }: WitnessAddress, held: number, size: number): MirrorError {
  const reason = `it holds ${held} entries of this log, ${size} were submitted`
  return new MirrorError('QIP_MIRROR_WITNESS_REFUSED', { witness: name, status: 409, reason })
}
