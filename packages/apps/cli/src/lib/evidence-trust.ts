import { type Builder, parseEvidence, parseProvenance, parseStatement } from '@quantum-ip/attestation'
import { type NoteVerifierKey, parseEnvelope, parseVkey } from '@quantum-ip/crypto'
import { parseRootDocument, pinsOf, TrustStore, verifierKeyOf } from '@quantum-ip/trust'
import { CliError } from '../cli-errors.ts'
import { parseWord } from './command.ts'
import { malformedAs, readText } from './files.ts'
import { readPublicKeyFile } from './key-files.ts'

/** Whom to rely on for one evidence file: the log's keys, and the builder's. */
export interface EvidenceTrust {
  readonly logKeys: readonly NoteVerifierKey[]
  readonly builders: readonly Builder[]
}

/** Finds out whom to rely on for an evidence file. */
export type TrustEvidence = (evidence: string) => EvidenceTrust

/** What a command line names to verify offline. */
export interface OfflineTrust {
  readonly rootDocument?: string
  readonly bundle?: string
  readonly logKey?: readonly string[]
  readonly builderKey?: readonly string[]
}

/** Whether anything is named that makes asking an authority unnecessary. */
export function isOffline({ rootDocument, bundle, logKey = [] }: OfflineTrust): boolean {
  return rootDocument !== undefined || bundle !== undefined || logKey.length > 0
}

/**
 * The trust that files and keys of the command line make: a root document, which is the pin, and a bundle; or the log's key and
 * the builder's.
 *
 * @throws {CliError} · {@link TrustError} for documents that do not verify, or had expired at `timeMs`
 */
export async function readOfflineTrust(offline: OfflineTrust, timeMs: number): Promise<TrustEvidence> {
  const { rootDocument, bundle, logKey = [] } = offline
  if (logKey.length > 0) return namedKeys(logKey, offline.builderKey ?? [])
  if (rootDocument === undefined || bundle === undefined) {
    throw new CliError('QIP_CLI_USAGE', {
      reason: '--root-document and --bundle belong together',
      next: 'name both files; `curl <authority>/v1/root` and `/v1/bundle` fetch them',
    })
  }
  const store = await readTrustFiles({ rootDocument, bundle, timeMs })
  return (evidence) => storeTrust(store, evidence)
}

/** A store that starts from a root document in a file, whose own keys are the pins, and holds a bundle. */
export async function readTrustFiles(files: {
  readonly rootDocument: string
  readonly bundle: string
  readonly timeMs: number
}): Promise<TrustStore> {
  const { rootDocument, bundle, timeMs } = files
  const rootFile = { path: rootDocument, what: 'root document' }
  const rootText = await readText(rootFile)
  const root = malformedAs(rootFile, () => parseRootDocument(parseEnvelope(rootText).payload))
  const store = new TrustStore({ td: root.td, pins: pinsOf(root), composites: true })
  await store.applyRoot({ envelope: rootText, timeMs })
  await store.applyBundle({ envelope: await readText({ path: bundle, what: 'bundle' }), timeMs })
  return store
}

/** What a trust store says of the log and the builder that an evidence file names. */
export function storeTrust(store: TrustStore, text: string): EvidenceTrust {
  const { envelope, receipt } = parseEvidence(text)
  const { builderId } = parseProvenance(parseStatement(envelope.payload))
  const { origin, index } = receipt
  return {
    logKeys: store.logKeys(origin, index).map((record) => verifierKeyOf(record)),
    builders: [{ id: builderId, keySets: store.builderKeySets(builderId, origin, index), slsaLevel: 0 }],
  }
}

async function namedKeys(vkeys: readonly string[], builderFiles: readonly string[]): Promise<TrustEvidence> {
  if (builderFiles.length === 0) {
    throw new CliError('QIP_CLI_USAGE', {
      reason: '--log-key says who keeps the log, and nothing says who the builder is',
      next: "--builder-key <file> for each of the builder's public keys, or --root-document and --bundle in place of both",
    })
  }
  const logKeys = await Promise.all(vkeys.map((argument) => readLogKey(argument)))
  const keys = (await Promise.all(builderFiles.map((file) => readPublicKeyFile(file)))).flat()
  return (evidence) => {
    const { builderId } = parseProvenance(parseStatement(parseEvidence(evidence).envelope.payload))
    return { logKeys, builders: [{ id: builderId, keySets: [keys], slsaLevel: 0 }] }
  }
}

/** A verifier key as text, which has plus signs in it, or a file that holds one. */
async function readLogKey(argument: string): Promise<NoteVerifierKey> {
  const isText = argument.includes('+') && !argument.endsWith('.vkey')
  const text = isText ? argument : await readText({ path: argument, what: 'verifier key' })
  return parseWord('--log-key', () => parseVkey(text.trim()))
}
