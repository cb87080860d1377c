import { concatBytes, isQipError, parseUtf8, utf8 } from '@quantum-ip/base'
import type { NoteVerifierKey } from '@quantum-ip/crypto'
import { formatNoteSignature, parseNote, parseNoteSignature, verifyNoteSignature } from '@quantum-ip/log'
import { MirrorError } from '../mirror-errors.ts'
import { formatSubmission, parseSize, type Submission } from './submission.ts'

/** A witness as a log knows it. */
export interface WitnessAddress {
  /** In messages and metrics. */
  readonly name: string
  readonly vkey: NoteVerifierKey
  /** The submission prefix; `add-checkpoint` is below it. */
  readonly url: string
}

/** What a witness answered: its cosignature, or the size that it holds. */
export type WitnessAnswer =
  | { readonly kind: 'cosigned'; readonly lines: string; readonly timestampS: number }
  | { readonly kind: 'conflict'; readonly size: number }

const answerBytesMax = 65_536

/**
 * Submits a checkpoint to a witness (`POST add-checkpoint` of c2sp.org/tlog-witness), and verifies the cosignature that comes back.
 * Lines of other keys are left out.
 *
 * @throws {MirrorError} `QIP_MIRROR_WITNESS_UNAVAILABLE` also for 5xx and 429 · `QIP_MIRROR_WITNESS_REFUSED`
 */
export async function submitCheckpoint(
  witness: WitnessAddress,
  submission: Submission,
  timeoutMs: number,
): Promise<WitnessAnswer> {
  const { status, type, body } = await post(witness, formatSubmission(submission), timeoutMs)
  if (status === 200) return { kind: 'cosigned', ...(await verifyLines(witness, submission.note, body)) }
  const size = parseSize(/^(\d{1,16})\n?$/.exec(body)?.[1])
  if (status === 409 && type === 'text/x.tlog.size' && size !== undefined) return { kind: 'conflict', size }
  if (status >= 500 || status === 429) throw unavailable(witness, `status ${status}`)
  throw refused(witness, status, reasonOf(status))
}

interface Answer {
  readonly status: number
  readonly type: string
  readonly body: string
}

async function post(witness: WitnessAddress, text: string, timeoutMs: number): Promise<Answer> {
  try {
    const response = await fetch(`${witness.url.replace(/\/$/, '')}/add-checkpoint`, {
      method: 'POST',
      headers: { 'content-type': 'text/plain; charset=utf-8' },
      body: utf8(text),
      redirect: 'error',
      signal: AbortSignal.timeout(timeoutMs),
    })
    const type = (response.headers.get('content-type') ?? '').split(';')[0]?.trim().toLowerCase() ?? ''
    return { status: response.status, type, body: await readText(response) }
  } catch (cause) {
    if (cause instanceof MirrorError) throw cause
    throw unavailable(witness, failureOf(cause), cause)
  }
}

async function readText(response: Response): Promise<string> {
  let bytes: Uint8Array = new Uint8Array()
  for await (const chunk of response.body ?? []) {
    bytes = concatBytes(bytes, chunk)
    if (bytes.length > answerBytesMax) throw new RangeError('the answer is too long')
  }
  return parseUtf8(bytes)
}

/** The lines of the witness's key, each of which must hold; at least one. */
async function verifyLines(witness: WitnessAddress, note: string, body: string) {
  const { vkey } = witness
  const { text } = parseNote(note)
  try {
    const lines = body.split('\n').filter((line) => line !== '')
    const own = lines
      .map((line) => parseNoteSignature(line))
      .filter(({ name, keyId }) => name === vkey.name && keyId === vkey.keyId)
    const [first] = await Promise.all(own.map((line) => verifyNoteSignature({ text, line, key: vkey })))
    const [line] = own
    if (first !== undefined && line !== undefined && first.timestampS > 0) {
      return { lines: `${formatNoteSignature(line)}\n`, timestampS: first.timestampS }
    }
  } catch (cause) {
    if (!isQipError(cause)) throw cause
    throw refused(witness, 200, 'its cosignature does not hold', cause)
  }
  throw refused(witness, 200, 'it did not cosign with the key that is configured')
}

function reasonOf(status: number): string {
  const reasons: Readonly<Record<number, string>> = {
    400: 'it finds the submission malformed',
    403: 'it does not know the key that signed the checkpoint',
    404: 'it does not know this log',
    409: 'it holds another size and does not say which',
    422: 'it was shown another view of this log',
  }
  return reasons[status] ?? 'no answer of c2sp.org/tlog-witness'
}

// Of what a foreign server says nothing is repeated.
function failureOf(error: unknown): string {
  if (!(error instanceof Error)) return 'unknown'
  if (error.name === 'TimeoutError') return 'no answer in time'
  const { cause } = error
  if (cause instanceof Error && 'code' in cause && typeof cause.code === 'string') return cause.code
  return error instanceof RangeError ? error.message : error.name
}

function unavailable({ name }: WitnessAddress, reason: string, cause?: unknown): MirrorError {
  return new MirrorError('QIP_MIRROR_WITNESS_UNAVAILABLE', { witness: name, reason }, { cause })
}

function refused({ name }: WitnessAddress, status: number, reason: string, cause?: unknown): MirrorError {
  return new MirrorError('QIP_MIRROR_WITNESS_REFUSED', { witness: name, status, reason }, { cause })
}
