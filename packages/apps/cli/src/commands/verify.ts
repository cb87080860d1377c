import { type VerifiedEvidence, verifyEvidence } from '@quantum-ip/attestation'
import { type CodedError, hex, isQipError, type JsonObject, parsePattern } from '@quantum-ip/base'
import { requestObject, type Requester } from '@quantum-ip/client'
import { parseVkey } from '@quantum-ip/crypto'
import type { TrustStore } from '@quantum-ip/trust'
import type { Command } from 'commander'
import { CliError } from '../cli-errors.ts'
import type { Outcome } from '../exit-codes.ts'
import { type Artifact, readArtifact } from '../lib/artifact.ts'
import { askAuthority } from '../lib/authority.ts'
import { type TrustOptions, withTrust } from '../lib/authority-options.ts'
import { readAuthorityTrust } from '../lib/authority-trust.ts'
import { answer, newAnswer, parseWord, several } from '../lib/command.ts'
import {
  isOffline,
  type OfflineTrust,
  readOfflineTrust,
  storeTrust,
  type TrustEvidence,
} from '../lib/evidence-trust.ts'
import { readText } from '../lib/files.ts'
import type { Run } from '../lib/io.ts'
import { type Output, tone } from '../lib/output.ts'
import { formatMoment, formatTime, parseMoment } from '../lib/times.ts'

interface VerifyOptions extends TrustOptions, OfflineTrust {
  readonly evidence?: string
  readonly builder?: string
  readonly source?: string
  readonly at?: string
  readonly witness?: readonly string[]
  readonly witnessesMin?: string
}

/** `qip verify`: whether a build was attested, by whom, and as of when that is known. */
export function verifyCommand(run: Run): Command {
  const command = newAnswer(
    'verify',
    'verify a build: offline from an evidence file, or by what the authority has logged',
  )
    .argument('<artifact>', 'a file, or `sha256:` and its digest')
    .option('--evidence <file>', 'the evidence file that `qip attest` wrote')
    .option('--builder <pattern>', 'the builder that it must be of')
    .option('--source <pattern>', 'the repository that it must come from')
    .option(
      '--root-document <file>',
      'offline: the root document that trust starts from (`curl <authority>/v1/root`)',
    )
    .option(
      '--bundle <file>',
      'offline: the bundle of keys that it vouches for (`curl <authority>/v1/bundle`)',
    )
    .option(
      '--log-key <vkey>',
      "offline, in place of both: the attestation log's verifier key, as text or in a file",
      several,
    )
    .option('--builder-key <file>', "and the builder's public keys, all of which must have signed", several)
    .option('--witness <vkey>', 'a witness that may have cosigned the log; once for each', several)
    .option('--witnesses-min <n>', 'how many of them must have (default: all that are named)')
    .option('--at <time>', 'offline: judge documents as of then, for bundles that have expired since', 'now')
  return withTrust(command).action((artifact: string, options: VerifyOptions) => {
    return answer(run, options, (output) => verify(output, artifact, options))
  })
}

async function verify(output: Output, argument: string, options: VerifyOptions): Promise<Outcome> {
  const artifact = await readArtifact(argument)
  const nowMs = Date.now()
  const timeMs = parseMoment(options.at ?? 'now', nowMs)
  if (isOffline(options)) {
    if (options.evidence === undefined) {
      throw new CliError('QIP_CLI_USAGE', {
        reason: 'offline there must be an --evidence file',
        next: 'qip verify <file> --evidence <file> …',
      })
    }
    const trust = await readOfflineTrust(options, timeMs)
    const evidence = await readText({ path: options.evidence, what: 'evidence file' })
    return showVerified(output, artifact, {
      verified: await check(evidence, artifact, { trust, options }),
      nowMs,
      mode: 'offline',
    })
  }
  await using asked = await askAuthority(options)
  const { store } = await readAuthorityTrust(asked, options, nowMs)
  const trust: TrustEvidence = (evidence) => storeTrust(store, evidence)
  const evidence =
    options.evidence === undefined
      ? await fetchEvidence(asked.requester, artifact)
      : [await readText({ path: options.evidence, what: 'evidence file' })]
  const verified = await firstVerified(evidence, artifact, { trust, options })
  checkRevoked(store, artifact, nowMs)
  return showVerified(output, artifact, { verified, nowMs, mode: 'online' })
}

interface Checking {
  readonly trust: TrustEvidence
  readonly options: VerifyOptions
}

async function check(
  evidence: string,
  { build }: Artifact,
  { trust, options }: Checking,
): Promise<VerifiedEvidence> {
  const verified = await verifyEvidence({ ...trust(evidence), ...witnessesOf(options), evidence, build })
  const { builder, source } = verified.facts
  expect('builder', builder, options.builder)
  expect('source', source?.uri, options.source)
  return verified
}

/** Who must have cosigned the log, beside the log itself. */
function witnessesOf({ witness = [], witnessesMin }: VerifyOptions) {
  const witnessKeys = witness.map((text) => parseWord('--witness', () => parseVkey(text)))
  const least = witnessesMin === undefined ? witnessKeys.length : Number(witnessesMin)
  if (Number.isInteger(least) && least >= 0 && least <= witnessKeys.length)
    return { witnessKeys, witnessesMin: least }
  throw new CliError('QIP_CLI_USAGE', {
    reason: `--witnesses-min is a number from 0 to ${witnessKeys.length}`,
  })
}

function expect(what: string, found: string | undefined, pattern: string | undefined): void {
  if (pattern === undefined) return
  const wanted = parseWord(`--${what}`, () => parsePattern(pattern))
  if (found !== undefined && wanted.matches(found)) return
  throw new CliError('QIP_CLI_EXPECTATION_MISSED', { what, found: found ?? 'none', expected: pattern })
}

/** Of several attestations of one build the first that holds is enough; where none does, the newest says why. */
async function firstVerified(
  evidence: readonly string[],
  artifact: Artifact,
  checking: Checking,
): Promise<VerifiedEvidence> {
  let first: CodedError | undefined
  for (const text of evidence) {
    try {
      return await check(text, artifact, checking)
    } catch (error) {
      if (!isQipError(error)) throw error
      first ??= error
    }
  }
  if (first !== undefined) throw first
  throw new CliError('QIP_CLI_NOT_FOUND', {
    what: `attestation of build \`${hex(artifact.build)}\``,
    next: 'qip attest signs and logs one',
  })
}

async function fetchEvidence(requester: Requester, { build }: Artifact): Promise<readonly string[]> {
  const found = await requestObject(requester, {
    operation: 'the attestations of a build',
    method: 'GET',
    target: `/v1/attestations?build=${hex(build)}`,
    answerBytesMax: 64 * 1_048_576,
  })
  return found.objects('attestations', 1_000).map((attestation) => attestation.text('evidence'))
}

// As for a token that was issued just now.
function checkRevoked(store: TrustStore, { build }: Artifact, nowMs: number): void {
  if (!store.revocations.isBuildRevoked(build, Math.floor(nowMs / 1_000))) return
  throw new CliError('QIP_CLI_BUILD_REVOKED', { build: hex(build) })
}

interface Shown {
  readonly verified: VerifiedEvidence
  readonly nowMs: number
  readonly mode: 'offline' | 'online'
}

function showVerified(output: Output, { name, build }: Artifact, { verified, nowMs, mode }: Shown): Outcome {
  const { facts, entry, signers, origin, index, asOf } = verified
  const keys = signers.map(({ alg, kid }) => `${alg} ${kid}`)
  output.show({ ok: true, mode, build: hex(build), ...verifiedJson(verified) }, () => {
    output.line(tone('good', 'verified'), tone('strong', name))
    output.facts([
      ['build', `sha256:${hex(build)}`],
      ['builder', facts.builder],
      ...keys.map((key, at) => [at === 0 ? 'signed by' : '', key] as const),
      ['source', sourceText(verified)],
      ['logged', `${origin}, entry ${index}, ${formatMoment(entry.timeMs, nowMs)}`],
      ['as of', asOfText(asOf, nowMs)],
      mode === 'offline'
        ? ['not known', tone('warn', 'whether it was revoked since: nobody was asked')]
        : ['revoked', 'no, by the newest signed state'],
    ])
  })
  return 'ok'
}

function verifiedJson({ facts, entry, signers, origin, index, asOf }: VerifiedEvidence): JsonObject {
  const { builder, source } = facts
  return {
    builder,
    ...(source !== undefined && { source: source.uri, ...(source.ref !== undefined && { ref: source.ref }) }),
    signers: signers.map(({ alg, kid }) => ({ alg, kid })),
    log: origin,
    index,
    attestedMs: entry.timeMs,
    asOf: {
      treeSize: asOf.treeSize,
      checkpointTime: asOf.checkpointTimeS ?? null,
      vouchers: [...asOf.vouchers],
    },
  }
}

function sourceText({ facts: { source } }: VerifiedEvidence): string {
  if (source === undefined) return 'not named'
  const commit = source.digest.get('gitCommit')
  return `${source.uri}${source.ref === undefined ? '' : `@${source.ref}`}${commit === undefined ? '' : `, commit ${commit}`}`
}

function asOfText({ checkpointTimeS, treeSize, vouchers }: VerifiedEvidence['asOf'], nowMs: number): string {
  const by = `the log at size ${treeSize}, vouched for by ${vouchers.join(' and ')}`
  if (checkpointTimeS === undefined) return `${by}, which does not say when`
  return `${formatTime(checkpointTimeS * 1_000)} (${formatMoment(checkpointTimeS * 1_000, nowMs).split(', ')[1] ?? ''}): ${by}`
}
