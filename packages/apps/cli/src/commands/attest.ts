import { buildProvenance, parseEvidence, signStatement } from '@quantum-ip/attestation'
import { equalBytes, hex, type JsonObject } from '@quantum-ip/base'
import { submitAttestation, type RegisteredAttestation } from '@quantum-ip/client'
import { type Envelope, formatEnvelope, type PrivateKey } from '@quantum-ip/crypto'
import type { Command } from 'commander'
import { CliError } from '../cli-errors.ts'
import type { Outcome } from '../exit-codes.ts'
import { type Artifact, readArtifact } from '../lib/artifact.ts'
import { askAuthority } from '../lib/authority.ts'
import { type AuthorityOptions, withAuthority } from '../lib/authority-options.ts'
import { answer, newAnswer, several } from '../lib/command.ts'
import { writeText } from '../lib/files.ts'
import type { Run } from '../lib/io.ts'
import { createKeyFiles, isExposed, readPrivateKeyFile } from '../lib/key-files.ts'
import { type Output, tone } from '../lib/output.ts'

interface AttestOptions extends AuthorityOptions {
  readonly name?: string
  readonly builder?: string
  readonly buildType: string
  readonly source?: string
  readonly ref?: string
  readonly commit?: string
  readonly invocation?: string
  readonly key?: readonly string[]
  readonly newKeys?: string
  readonly out?: string
  readonly submit: boolean
}

const buildTypeDefault = 'https://quantum-ip.dev/build-types/qip-attest/v1'

/** `qip attest`: signs what a build made, has it logged, and keeps the evidence. */
export function attestCommand(run: Run): Command {
  const command = newAnswer(
    'attest',
    'sign a build and log the attestation: in-toto statement, SLSA provenance, two signatures',
  )
    .argument('[artifact]', 'a file, or `sha256:` and its digest')
    .option('--builder <uri>', 'who built it, as the authority knows the builder')
    .option('--name <name>', "the artifact's name (default: the file's)")
    .option('--source <uri>', 'the repository, such as git+https://git.acme.example/shop/checkout')
    .option('--ref <ref>', 'its revision, such as refs/tags/v1.2.3')
    .option('--commit <id>', 'the commit that was built')
    .option('--build-type <uri>', 'what kind of build it was', buildTypeDefault)
    .option('--invocation <id>', 'the run of the pipeline')
    .option('--key <file>', 'a private JWK to sign with; once for each key of the builder', several)
    .option(
      '--new-keys <folder>',
      'draw a pair of keys (ML-DSA-65 and Ed25519) into that folder, and sign with them',
    )
    .option('-o, --out <file>', 'the evidence file (default: <artifact>.evidence.json)')
    .option('--no-submit', 'sign only, and write the envelope')
  return withAuthority(command).action((artifact: string | undefined, options: AttestOptions) => {
    return answer(run, options, (output) => attest(output, artifact, options))
  })
}

async function attest(
  output: Output,
  argument: string | undefined,
  options: AttestOptions,
): Promise<Outcome | void> {
  if (argument === undefined) return drawKeys(output, options)
  const artifact = await readArtifact(argument)
  const envelope = await sign(output, artifact, options)
  if (!options.submit) return keepEnvelope(output, { argument, envelope, options })
  await using asked = await askAuthority(options)
  const registered = await submitAttestation(asked.requester, formatEnvelope(envelope))
  checkReceipt(registered, { envelope, artifact })
  const out = options.out ?? `${artifact.name.replace(':', '-')}.evidence.json`
  await writeText({ path: out, what: 'evidence file', content: registered.evidence })
  const { origin, index, known } = registered
  const facts = factsOf(artifact, options)
  output.show({ ...facts, log: origin, index, known, evidence: out, signers: signersOf(envelope) }, () => {
    output.line(
      tone('good', 'ok'),
      known ? 'was attested already' : 'attested',
      tone('strong', artifact.name),
    )
    output.facts([
      ['build', `sha256:${hex(artifact.build)}`],
      ['builder', options.builder ?? ''],
      ...sourceRows(options),
      ['logged', `${origin}, entry ${index}`],
      ['evidence', out],
    ])
    output.line('  next:', `qip verify ${argument} --evidence ${out}`)
  })
}

async function drawKeys(output: Output, { newKeys }: AttestOptions): Promise<void> {
  if (newKeys === undefined) {
    throw new CliError('QIP_CLI_USAGE', {
      reason: 'there is no artifact to attest',
      next: 'qip attest <file> …',
    })
  }
  const { signers, privateFiles, publicFiles } = await createKeyFiles(newKeys)
  const kids = signers.map(({ publicKey }) => publicKey.kid)
  output.show({ privateFiles: [...privateFiles], publicFiles: [...publicFiles], kids }, () => {
    output.line(tone('good', 'ok'), 'two keys of a builder, both needed for each attestation')
    for (const [at, file] of privateFiles.entries())
      output.line(' ', file, tone('dim', `kid ${kids[at] ?? ''}`))
    output.line(
      '  next:',
      'make them known: `qip keys register <builder URI> <folder>/*.public.jwk`, or `admission.builders`',
    )
  })
}

async function sign(output: Output, artifact: Artifact, options: AttestOptions): Promise<Envelope> {
  const { builder, buildType, invocation, name = artifact.name } = options
  if (builder === undefined) throw new CliError('QIP_CLI_USAGE', { reason: '--builder is missing' })
  const source = sourceOf(options)
  const payload = buildProvenance({
    artifacts: [{ name, build: artifact.build }],
    builderId: builder,
    buildType,
    ...(source !== undefined && { source }),
    ...(invocation !== undefined && { invocationId: invocation }),
    finishedOnMs: Date.now(),
  })
  return signStatement(payload, await signersFor(output, options))
}

function sourceOf({ source, ref, commit }: AttestOptions) {
  if (source === undefined) {
    if (ref === undefined && commit === undefined) return undefined
    throw new CliError('QIP_CLI_USAGE', { reason: '--ref and --commit are of a --source, which is missing' })
  }
  if (commit === undefined) {
    throw new CliError('QIP_CLI_USAGE', {
      reason: '--source needs the --commit that was built: a branch or tag may move',
      next: '--commit "$(git rev-parse HEAD)"',
    })
  }
  return { uri: source, commit, ...(ref !== undefined && { ref }) }
}

async function signersFor(
  output: Output,
  { key = [], newKeys }: AttestOptions,
): Promise<readonly PrivateKey[]> {
  if (newKeys !== undefined) return (await createKeyFiles(newKeys)).signers
  if (key.length === 0) {
    throw new CliError('QIP_CLI_USAGE', {
      reason: 'there is no key to sign with',
      next: '--key <file> for each key of the builder; `qip attest --new-keys <folder>` draws a pair',
    })
  }
  for (const file of key) {
    const signer = await readPrivateKeyFile(file)
    if (await isExposed(file))
      output.note(`qip: others may read the private key ${file} (kid ${signer.publicKey.kid}): chmod 600`)
  }
  return Promise.all(key.map((file) => readPrivateKeyFile(file)))
}

// What is kept for years must be about what was sent.
function checkReceipt(
  { evidence }: RegisteredAttestation,
  sent: { envelope: Envelope; artifact: Artifact },
): void {
  const { envelope, receipt } = parseEvidence(evidence)
  const isOurs =
    equalBytes(envelope.payload, sent.envelope.payload) &&
    equalBytes(receipt.entry.build, sent.artifact.build)
  if (!isOurs)
    throw new CliError('QIP_CLI_DEFECT', {
      reason: 'the receipt of the authority is for another attestation',
    })
}

async function keepEnvelope(
  output: Output,
  { argument, envelope, options }: { argument: string; envelope: Envelope; options: AttestOptions },
): Promise<void> {
  const out = options.out ?? `${argument.replace(':', '-')}.dsse.json`
  await writeText({ path: out, what: 'envelope', content: `${formatEnvelope(envelope)}\n` })
  output.show({ envelope: out, signers: signersOf(envelope) }, () => {
    output.line(tone('good', 'ok'), `signed, not logged: ${out}`)
  })
}

function factsOf(
  { build, name }: Artifact,
  { builder = '', source, ref, commit }: AttestOptions,
): JsonObject {
  return {
    name,
    build: hex(build),
    builder,
    ...(source !== undefined && { source }),
    ...(ref !== undefined && { ref }),
    ...(commit !== undefined && { commit }),
  }
}

function sourceRows({ source, ref, commit }: AttestOptions): readonly (readonly [string, string])[] {
  if (source === undefined) return []
  return [
    [
      'source',
      `${source}${ref === undefined ? '' : `@${ref}`}${commit === undefined ? '' : `, commit ${commit}`}`,
    ],
  ]
}

function signersOf({ signatures }: Envelope): string[] {
  return signatures.map(({ keyid }) => keyid ?? '')
}
