import { isQipError, type JsonObject, limits, parseJson, parseHex, parseUtf8, utf8 } from '@quantum-ip/base'
import { type Envelope, signEnvelope, type Signer } from '@quantum-ip/crypto'
import { AttestationError } from './attestation-errors.ts'
import { attestationLimits } from './attestation-limits.ts'
import { Reader } from './lib/reader.ts'

/** Something that a statement is about or that a build used (in-toto ResourceDescriptor v1). */
export interface ResourceDescriptor {
  readonly name?: string
  readonly uri?: string
  /** Digests by algorithm, `sha256`, `gitCommit`, …, as they are written; `sha256` in lowercase hex. */
  readonly digest?: ReadonlyMap<string, string>
}

/** An in-toto Statement v1: a predicate about subjects. */
export interface Statement {
  /** Each has a digest; they are matched on that alone. */
  readonly subjects: readonly ResourceDescriptor[]
  readonly predicateType: string
  readonly predicate: JsonObject
}

/** The DSSE payload type of in-toto statements. */
export const statementPayloadType = 'application/vnd.in-toto+json'

/** `_type` of a statement. */
export const statementType = 'https://in-toto.io/Statement/v1'

const { textCharsMax } = attestationLimits

/**
 * Reads an in-toto Statement v1 ({@link https://github.com/in-toto/attestation/blob/main/spec/v1/statement.md in-toto attestation, Statement}).
 * Strict in what is relied on: `_type`, the subjects' digests, the types; members that nobody here knows are ignored,
 * which never turns a refusal into an acceptance. JSON with a name twice is refused. Nothing is verified.
 *
 * @throws {AttestationError} `QIP_ATTESTATION_STATEMENT_MALFORMED`
 */
export function parseStatement(payload: Uint8Array): Statement {
  const statement = new Reader(parseStrict(payload), '', malformed)
  if (statement.object['_type'] !== statementType) throw malformed('_type', `is not \`${statementType}\``)
  const subjects = parseResources(statement, 'subject', attestationLimits.subjectsMax)
  if (subjects.length === 0) throw malformed('subject', 'is empty')
  for (const [index, { digest }] of subjects.entries()) {
    if (digest === undefined) throw malformed(`subject[${index}]`, 'has no digest')
  }
  return {
    subjects,
    predicateType: statement.text('predicateType', textCharsMax),
    predicate: statement.reader('predicate').object,
  }
}

/** The error for a statement that is not one. */
export function malformed(path: string, reason: string): AttestationError {
  return new AttestationError('QIP_ATTESTATION_STATEMENT_MALFORMED', { path, reason })
}

function parseStrict(payload: Uint8Array) {
  if (payload.length > limits.envelopeBytesMax)
    throw malformed('', `is longer than ${limits.envelopeBytesMax} bytes`)
  try {
    return parseJson(parseUtf8(payload))
  } catch (cause) {
    if (!isQipError(cause)) throw cause
    const details = { path: '', reason: cause.message }
    throw new AttestationError('QIP_ATTESTATION_STATEMENT_MALFORMED', details, { cause })
  }
}

/** The resource descriptors in the list `name`, which has at most `max`. */
export function parseResources(parent: Reader, name: string, max: number): ResourceDescriptor[] {
  return parent.array(name, max).map((_, index) => parseResource(parent.element(name, index)))
}

function parseResource(resource: Reader): ResourceDescriptor {
  return {
    ...(resource.has('name') && { name: resource.text('name', textCharsMax) }),
    ...(resource.has('uri') && { uri: resource.text('uri', textCharsMax) }),
    ...(resource.has('digest') && { digest: parseDigests(resource.reader('digest')) }),
  }
}

function parseDigests(digests: Reader): Map<string, string> {
  const names = Object.keys(digests.object)
  if (names.length === 0 || names.length > attestationLimits.digestsMax) {
    throw digests.malformed('', `has not 1 to ${attestationLimits.digestsMax} digests`)
  }
  const parsed = new Map(names.map((name) => [name, digests.text(name, 256)]))
  const sha256 = parsed.get('sha256')
  if (sha256 !== undefined && !/^[0-9a-f]{64}$/.test(sha256)) {
    throw digests.malformed('sha256', 'is not 64 characters of lowercase hex')
  }
  return parsed
}

/** The builds that a statement is about: the SHA-256 digests of its subjects, each once, in their order. */
export function buildsOf({ subjects }: Statement): readonly Uint8Array[] {
  const digests = new Set(subjects.map(({ digest }) => digest?.get('sha256')))
  digests.delete(undefined)
  return [...digests].map((digest) => new Uint8Array(parseHex(digest ?? '')))
}

/**
 * The payload of a statement: always the same bytes for the same statement.
 *
 * @throws {AttestationError} as {@link parseStatement}: what would be refused is not built.
 */
export function buildStatement({ subjects, predicateType, predicate }: Statement): Uint8Array {
  const subject = subjects.map((resource) => resourceJson(resource))
  const text = JSON.stringify({ _type: statementType, subject, predicateType, predicate })
  const payload = new Uint8Array(utf8(text))
  parseStatement(payload)
  return payload
}

/** The JSON of a resource descriptor. */
export function resourceJson({ name, uri, digest }: ResourceDescriptor): JsonObject {
  return {
    ...(name !== undefined && { name }),
    ...(uri !== undefined && { uri }),
    ...(digest !== undefined && {
      digest: Object.fromEntries([...digest].sort(([a], [b]) => (a < b ? -1 : 1))),
    }),
  }
}

/**
 * Signs a statement with every key of a builder's set: for hybrid ML-DSA-65 and Ed25519. Each signature is checked before
 * the envelope is returned.
 *
 * @throws {AttestationError} as {@link parseStatement}: what would be refused is not signed.
 */
export async function signStatement(payload: Uint8Array, signers: readonly Signer[]): Promise<Envelope> {
  parseStatement(payload)
  return signEnvelope({ payloadType: statementPayloadType, payload, signers })
}
