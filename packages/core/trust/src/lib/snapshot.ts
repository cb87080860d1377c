import {
  concatBytes,
  equalBytes,
  isQipError,
  type Json,
  type JsonObject,
  parseJson,
  parseUtf8,
  u32be,
  utf8,
} from '@quantum-ip/base'
import { type Envelope, formatEnvelope } from '@quantum-ip/crypto'
import { buildHead, type HeadRecord, parseHead } from '../head-record.ts'
import { trustLimits } from '../payload-types.ts'
import { buildRevocation, parseRevocation, type RevocationRecord } from '../revocation-record.ts'
import { TrustError } from '../trust-errors.ts'

/** What a snapshot holds: documents as they came, and the records that only the states' chains prove. */
export interface SnapshotParts<Document> {
  readonly roots: readonly Document[]
  readonly bundle: Document | undefined
  /** The older state from which `heads` were listed on. */
  readonly base: Document | undefined
  readonly state: Document | undefined
  readonly revocations: readonly RevocationRecord[]
  readonly heads: readonly HeadRecord[]
}

const magic = utf8('qip-snapshot/v1\n')
const kinds = { root: 1, bundle: 2, base: 3, state: 4, revocations: 5, heads: 6 } as const
type Kind = (typeof kinds)[keyof typeof kinds]

/** Records and heads in one section; several sections follow each other. */
const listMax = 1_024

/**
 * ```
 * snapshot = "qip-snapshot/v1" 0A ‖ section*          ; kinds ascending
 * section  = u8 kind ‖ u32be length ‖ bytes[length]
 * kind     = 1 root document ‖ 2 bundle ‖ 3 base state ‖ 4 state    ; a DSSE envelope in JSON
 *          | 5 revocation records ‖ 6 heads                         ; a JSON list of at most 1,024
 * ```
 */
export function formatSnapshot(parts: SnapshotParts<Envelope>): Uint8Array {
  const sections: Uint8Array[] = [magic]
  const add = (kind: Kind, text: string): void => {
    const bytes = utf8(text)
    sections.push(Uint8Array.of(kind), u32be(bytes.length), bytes)
  }
  for (const root of parts.roots) add(kinds.root, formatEnvelope(root))
  if (parts.bundle !== undefined) add(kinds.bundle, formatEnvelope(parts.bundle))
  if (parts.state !== undefined) {
    if (parts.base !== undefined) add(kinds.base, formatEnvelope(parts.base))
    add(kinds.state, formatEnvelope(parts.state))
    for (const list of chunks(parts.revocations)) {
      add(kinds.revocations, JSON.stringify(list.map((record) => buildRevocation(record))))
    }
    for (const list of chunks(parts.heads))
      add(kinds.heads, JSON.stringify(list.map((head) => buildHead(head))))
  }
  return concatBytes(...sections)
}

function* chunks<Item>(items: readonly Item[]): Iterable<readonly Item[]> {
  for (let at = 0; at < items.length; at += listMax) yield items.slice(at, at + listMax)
}

/**
 * Takes a snapshot apart. Nothing is verified.
 *
 * @throws {TrustError} `QIP_TRUST_SNAPSHOT_MALFORMED` · `QIP_TRUST_LIMIT_EXCEEDED`
 */
export function parseSnapshot(snapshot: Uint8Array): SnapshotParts<Uint8Array> {
  if (snapshot.length > trustLimits.snapshotBytesMax) {
    const details = { document: 'snapshot', what: 'bytes', limit: trustLimits.snapshotBytesMax } as const
    throw new TrustError('QIP_TRUST_LIMIT_EXCEEDED', details)
  }
  if (!equalBytes(snapshot.subarray(0, magic.length), magic)) throw malformed('it begins differently')
  const single = new Map<Kind, Uint8Array>()
  const roots: Uint8Array[] = []
  const revocations: RevocationRecord[] = []
  const heads: HeadRecord[] = []
  for (const { kind, bytes } of sections(snapshot)) {
    if (kind === kinds.root) roots.push(bytes)
    else if (kind === kinds.revocations) for (const json of list(bytes)) revocations.push(revocation(json))
    else if (kind === kinds.heads) for (const json of list(bytes)) heads.push(parseHead(json))
    else if (single.has(kind)) throw malformed('a document is there twice')
    else single.set(kind, bytes)
  }
  if (roots.length > trustLimits.rootChainMax) throw malformed('there are too many root documents')
  return {
    roots,
    bundle: single.get(kinds.bundle),
    base: single.get(kinds.base),
    state: single.get(kinds.state),
    revocations,
    heads,
  }
}

interface Section {
  readonly kind: Kind
  readonly bytes: Uint8Array
}

function* sections(snapshot: Uint8Array): Iterable<Section> {
  const view = new DataView(snapshot.buffer, snapshot.byteOffset, snapshot.byteLength)
  let last = 0
  for (let at = magic.length; at < snapshot.length;) {
    if (snapshot.length - at < 5) throw malformed('it is cut off')
    const kind = view.getUint8(at)
    const size = view.getUint32(at + 1)
    at += 5
    if (!isKind(kind) || kind < last) throw malformed('a section is out of order')
    if (size > trustLimits.snapshotSectionBytesMax) throw malformed('a section is too large')
    if (size > snapshot.length - at) throw malformed('it is cut off')
    yield { kind, bytes: snapshot.subarray(at, at + size) }
    last = kind
    at += size
  }
}

function isKind(kind: number): kind is Kind {
  return (Object.values(kinds) as readonly number[]).includes(kind)
}

function list(bytes: Uint8Array): readonly Json[] {
  const json = parse(bytes)
  if (!Array.isArray(json) || json.length > listMax) throw malformed('a section is no list')
  return json
}

function parse(bytes: Uint8Array): Json {
  try {
    return parseJson(parseUtf8(bytes))
  } catch (cause) {
    if (!isQipError(cause)) throw cause
    throw new TrustError('QIP_TRUST_SNAPSHOT_MALFORMED', { reason: cause.message }, { cause })
  }
}

function revocation(json: Json): RevocationRecord {
  if (json === null || typeof json !== 'object' || Array.isArray(json))
    throw malformed('a record is no object')
  return parseRevocation(json satisfies JsonObject)
}

function malformed(reason: string): TrustError {
  return new TrustError('QIP_TRUST_SNAPSHOT_MALFORMED', { reason })
}
