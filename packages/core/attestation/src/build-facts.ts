import { equalBytes, hex, parseHex } from '@quantum-ip/base'
import { AttestationError } from './attestation-errors.ts'
import type { Builder, SlsaLevel } from './builder.ts'
import { sourceOf } from './lib/source.ts'
import type { Provenance } from './provenance.ts'
import type { Statement } from './statement.ts'

/** Where a build's source came from. */
export interface SourceFacts {
  /** Without its revision: `git+https://git.acme.example/shop/checkout`. */
  readonly uri: string
  /** The revision that the URI names: `refs/tags/v1.2.3`. */
  readonly ref?: string
  /** Digests by algorithm; `gitCommit` for git. */
  readonly digest: ReadonlyMap<string, string>
}

/** What a verified attestation says about a build: the `build.*` facts of policies and the input of admission rules. */
export interface BuildFacts {
  /** SHA-256 of the artifact. */
  readonly build: Uint8Array
  /** The first name that a subject gives the artifact, where one does. */
  readonly subject?: string
  readonly builder: string
  readonly buildType: string
  /** Absent where the provenance names no source, or several and none of them clearly. */
  readonly source?: SourceFacts
  /**
   * How far the builder is trusted. It comes from the builder's configuration, where the operator enters what the builder was
   * found to be; SLSA provenance has no such member, and one that somebody adds is not looked at.
   */
  readonly slsaLevel: SlsaLevel
  readonly invocationId?: string
  /** Milliseconds since 1970. */
  readonly startedOnMs?: number
  readonly finishedOnMs?: number
}

/** What {@link buildFacts} draws from. */
export interface BuildFactsInput {
  readonly statement: Statement
  readonly provenance: Provenance
  readonly builder: Builder
  /** SHA-256 of the artifact in question. */
  readonly build: Uint8Array
}

/**
 * The facts of one build out of a statement. They are as good as the statement: verify its builder first.
 *
 * @throws {AttestationError} `QIP_ATTESTATION_SUBJECT_MISMATCH` if no subject has this digest.
 */
export function buildFacts({ statement, provenance, builder, build }: BuildFactsInput): BuildFacts {
  const subjects = statement.subjects.filter(({ digest }) => isOf(digest?.get('sha256'), build))
  if (subjects.length === 0) {
    const first = statement.subjects[0]?.digest?.get('sha256')
    const details = { build: hex(build), subjects: statement.subjects.length, first }
    throw new AttestationError('QIP_ATTESTATION_SUBJECT_MISMATCH', details)
  }
  const subject = subjects.find(({ name }) => name !== undefined)?.name
  const source = sourceOf(provenance)
  const { buildType, invocationId, startedOnMs, finishedOnMs } = provenance
  return {
    build,
    ...(subject !== undefined && { subject }),
    builder: builder.id,
    buildType,
    ...(source !== undefined && { source }),
    slsaLevel: builder.slsaLevel,
    ...(invocationId !== undefined && { invocationId }),
    ...(startedOnMs !== undefined && { startedOnMs }),
    ...(finishedOnMs !== undefined && { finishedOnMs }),
  }
}

function isOf(digest: string | undefined, build: Uint8Array): boolean {
  return digest !== undefined && equalBytes(parseHex(digest), build)
}
