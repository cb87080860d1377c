import { hex, type JsonObject } from '@quantum-ip/base'
import { attestationLimits } from './attestation-limits.ts'
import { Reader } from './lib/reader.ts'
import { parseTimestamp } from './lib/timestamp.ts'
import {
  buildStatement,
  malformed,
  parseResources,
  type ResourceDescriptor,
  resourceJson,
  type Statement,
} from './statement.ts'

/** SLSA provenance v1, as far as anything here relies on it. */
export interface Provenance {
  /** A URI: what the other members mean. */
  readonly buildType: string
  /** What the build was asked to do. */
  readonly externalParameters: JsonObject
  readonly resolvedDependencies: readonly ResourceDescriptor[]
  /** `runDetails.builder.id`, a URI. */
  readonly builderId: string
  readonly invocationId?: string
  /** Milliseconds since 1970. */
  readonly startedOnMs?: number
  readonly finishedOnMs?: number
}

/** `predicateType` of SLSA provenance v1, which SLSA 1.2 keeps. */
export const provenanceType = 'https://slsa.dev/provenance/v1'

const { textCharsMax } = attestationLimits

/**
 * Reads the SLSA provenance v1 of a statement ({@link https://slsa.dev/spec/v1.2/build-provenance SLSA 1.2, Build: Provenance}).
 * Required: `buildType`, `externalParameters`, `runDetails.builder.id`. Nothing is verified.
 *
 * @throws {AttestationError} `QIP_ATTESTATION_STATEMENT_MALFORMED`
 */
export function parseProvenance({ predicateType, predicate }: Statement): Provenance {
  if (predicateType !== provenanceType) throw malformed('predicateType', `is not \`${provenanceType}\``)
  const root = new Reader(predicate, 'predicate', malformed)
  const definition = root.reader('buildDefinition')
  const run = root.reader('runDetails')
  const metadata = run.has('metadata') ? run.reader('metadata') : undefined
  const invocationId = metadata?.optionalText('invocationId', textCharsMax)
  const startedOnMs = metadata && parseTimestamp(metadata, 'startedOn')
  const finishedOnMs = metadata && parseTimestamp(metadata, 'finishedOn')
  return {
    buildType: definition.text('buildType', textCharsMax),
    externalParameters: definition.reader('externalParameters').object,
    resolvedDependencies: definition.has('resolvedDependencies')
      ? parseResources(definition, 'resolvedDependencies', attestationLimits.dependenciesMax)
      : [],
    builderId: run.reader('builder').text('id', textCharsMax),
    ...(invocationId !== undefined && { invocationId }),
    ...(startedOnMs !== undefined && { startedOnMs }),
    ...(finishedOnMs !== undefined && { finishedOnMs }),
  }
}

/** An artifact that a build made. */
export interface BuiltArtifact {
  readonly name: string
  /** SHA-256, 32 bytes. */
  readonly build: Uint8Array
}

/** What a build knows about itself. */
export interface ProvenanceToBuild {
  readonly artifacts: readonly BuiltArtifact[]
  readonly builderId: string
  readonly buildType: string
  /** The repository, as a URI with the scheme of its tool, with its revision, and the commit that was built. */
  readonly source?: { readonly uri: string; readonly ref?: string; readonly commit: string }
  /** Further parameters beside `source`. */
  readonly externalParameters?: JsonObject
  /** Further dependencies. One of a version control scheme makes it ambiguous which is the source, unless `source` is given. */
  readonly dependencies?: readonly ResourceDescriptor[]
  readonly invocationId?: string
  /** Milliseconds since 1970. */
  readonly startedOnMs?: number
  readonly finishedOnMs?: number
}

/**
 * The payload of a statement with SLSA provenance v1 for artifacts: always the same bytes for the same build. The source is the
 * parameter `source` and the first dependency, which is how readers find it.
 *
 * @throws {AttestationError} `QIP_ATTESTATION_STATEMENT_MALFORMED`: what would be refused is not built.
 */
export function buildProvenance(input: ProvenanceToBuild): Uint8Array {
  const { artifacts, builderId, buildType, source, externalParameters, dependencies = [] } = input
  const uri = source && (source.ref === undefined ? source.uri : `${source.uri}@${source.ref}`)
  const sources = source && uri ? [{ uri, digest: new Map([['gitCommit', source.commit]]) }] : []
  const predicate: JsonObject = {
    buildDefinition: {
      buildType,
      externalParameters: { ...externalParameters, ...(uri !== undefined && { source: uri }) },
      resolvedDependencies: [...sources, ...dependencies].map((resource) => resourceJson(resource)),
    },
    runDetails: { builder: { id: builderId }, metadata: metadataJson(input) },
  }
  const subjects = artifacts.map(({ name, build }) => ({ name, digest: new Map([['sha256', hex(build)]]) }))
  const statement = { subjects, predicateType: provenanceType, predicate }
  parseProvenance(statement)
  return buildStatement(statement)
}

function metadataJson({ invocationId, startedOnMs, finishedOnMs }: ProvenanceToBuild): JsonObject {
  return {
    ...(invocationId !== undefined && { invocationId }),
    ...(startedOnMs !== undefined && { startedOn: new Date(startedOnMs).toISOString() }),
    ...(finishedOnMs !== undefined && { finishedOn: new Date(finishedOnMs).toISOString() }),
  }
}
