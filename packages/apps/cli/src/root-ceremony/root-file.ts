import { equalBytes, type JsonObject } from '@quantum-ip/base'
import { type Envelope, parseEnvelope, type PublicKey, verifyEnvelope } from '@quantum-ip/crypto'
import { buildRootDocument, parseRootDocument, payloadTypes, type RootDocument } from '@quantum-ip/trust'
import { CliError } from '../cli-errors.ts'
import { type FileToRead, malformedAs, readBytes } from '../lib/files.ts'
import { type Cell, type Output, tone } from '../lib/output.ts'
import { formatMoment } from '../lib/times.ts'

/** A root document in a file: a draft, which nobody has signed, or an envelope with signatures. */
export interface RootFile {
  readonly path: string
  readonly document: RootDocument
  readonly payload: Uint8Array
  /** `undefined` for a draft. */
  readonly envelope: Envelope | undefined
}

const newline = 0x0a

/**
 * Reads a root document. A draft holds the very bytes that are signed, and a line break. Members that this program does not know are
 * refused: nobody is to sign what was not shown.
 *
 * @throws {CliError} `QIP_CLI_FILE_UNREADABLE` · `QIP_CLI_FILE_MALFORMED`
 */
export async function readRootFile(path: string): Promise<RootFile> {
  const file: FileToRead = { path, what: 'root document' }
  const bytes = await readBytes(file)
  const text = Buffer.from(bytes).toString('latin1')
  const envelope = text.includes('"payloadType"') ? malformedAs(file, () => parseEnvelope(bytes)) : undefined
  const payload = envelope?.payload ?? (bytes.at(-1) === newline ? bytes.subarray(0, -1) : bytes)
  const document = malformedAs(file, () => parseRootDocument(payload))
  if (!equalBytes(buildRootDocument(document), payload)) {
    const reason = 'it has members or a spelling that this program does not write'
    throw new CliError('QIP_CLI_FILE_MALFORMED', { path, what: 'root document', reason })
  }
  return { path, document, payload, envelope }
}

/** The thumbprints of those of `keys` whose signature in the envelope holds. */
export async function signersAmong(
  envelope: Envelope,
  keys: readonly PublicKey[],
): Promise<ReadonlySet<string>> {
  const payloadType = payloadTypes.root
  const held = await Promise.all(
    keys.map((key) =>
      verifyEnvelope({ envelope, keys: [key], threshold: 1, payloadType }).then(
        () => [key.kid],
        () => [],
      ),
    ),
  )
  return new Set(held.flat())
}

/** A document as JSON answers show it. */
export function rootJson(document: RootDocument): JsonObject {
  const { td, sequence, expires, roots, threshold, bundleKeys, bundleThreshold } = document
  return {
    td,
    sequence,
    expires,
    roots: roots.map(({ kid }) => kid),
    threshold,
    bundleKeys: bundleKeys.map(({ kid }) => kid),
    bundleThreshold,
  }
}

/** Shows what a document says, and what it changes. */
export function showRoot(output: Output, document: RootDocument, previous?: RootDocument): void {
  const { td, sequence, expires, threshold, bundleThreshold } = document
  output.facts([
    ['trust domain', td],
    ['sequence', previous === undefined ? String(sequence) : `${sequence}, after ${previous.sequence}`],
    ['expires', formatMoment(expires * 1_000, Date.now())],
    ['root keys', `${threshold} of ${document.roots.length} sign the next one`],
  ])
  showKeys(output, document.roots, previous?.roots)
  output.facts([['bundle keys', `${bundleThreshold} of ${document.bundleKeys.length} sign each bundle`]])
  showKeys(output, document.bundleKeys, previous?.bundleKeys)
}

function showKeys(
  output: Output,
  keys: readonly PublicKey[],
  before: readonly PublicKey[] | undefined,
): void {
  const had = new Set(before?.map(({ kid }) => kid))
  const has = new Set(keys.map(({ kid }) => kid))
  const row = (mark: Cell, { alg, kid }: PublicKey): void => output.line('   ', mark, alg, kid)
  for (const key of keys) row(before === undefined || had.has(key.kid) ? ' ' : tone('good', '+'), key)
  for (const key of before ?? []) if (!has.has(key.kid)) row(tone('bad', '-'), key)
}
