import { parseUtf8 } from '@quantum-ip/base'
import { formatEnvelope, generatePrivateKey } from '@quantum-ip/crypto'
import {
  buildRootDocument,
  joinSignatures,
  pinsOf,
  signRootDocument,
  verifyRootDocument,
} from '@quantum-ip/trust'
import type { Command } from 'commander'
import { CliError } from '../cli-errors.ts'
import { answer, newAnswer, several } from '../lib/command.ts'
import { writeText } from '../lib/files.ts'
import type { Run } from '../lib/io.ts'
import { readPublicKeyFile } from '../lib/key-files.ts'
import { type Output, type OutputOptions, tone } from '../lib/output.ts'
import { parseSpan } from '../lib/times.ts'
import { draftSuccessor, type KeyChange } from '../root-ceremony/draft-root.ts'
import { readOfflineKey, writeOfflineKey } from '../root-ceremony/offline-key.ts'
import { readRootFile, type RootFile, rootJson, showRoot, signersAmong } from '../root-ceremony/root-file.ts'

interface NewOptions extends OutputOptions {
  readonly name: string
  readonly out: string
  readonly passphraseFile: string
}

interface InitOptions extends OutputOptions {
  readonly previous: string
  readonly out: string
  readonly root?: readonly string[]
  readonly removeRoot?: readonly string[]
  readonly replaceRoots?: boolean
  readonly threshold?: string
  readonly bundleKey?: readonly string[]
  readonly removeBundleKey?: readonly string[]
  readonly replaceBundleKeys?: boolean
  readonly bundleThreshold?: string
  readonly valid: string
}

interface SignOptions extends OutputOptions {
  readonly key: string
  readonly passphraseFile: string
  readonly out: string
  readonly previous?: string
}

interface CombineOptions extends OutputOptions {
  readonly previous: string
  readonly out: string
}

interface ShowOptions extends OutputOptions {
  readonly previous?: string
}

/** The steps of the ceremony that need files and nothing else: no network, no authority, no configuration. */
export function offlineRootCommands(run: Run): readonly Command[] {
  const made = newAnswer('new', "draw a root key, sealed with its custodian's passphrase")
    .requiredOption('--name <name>', 'of the files: `<name>.key` and `<name>.public.jwk`')
    .requiredOption('--passphrase-file <file>', 'mode 0600')
    .option('-o, --out <folder>', 'where the files go', '.')
    .action((options: NewOptions) => answer(run, options, (output) => drawKey(output, options)))
  const init = newAnswer('init', 'begin the next root document: a draft that custodians sign')
    .requiredOption('--previous <file>', 'the document in force (`qip keys root fetch`)')
    .requiredOption('-o, --out <file>', 'the draft')
    .option('--root <file>', 'a root key to add, public JWK (several)', several)
    .option('--remove-root <thumbprint>', 'a root key to take out (several)', several)
    .option('--replace-roots', 'take out all root keys of before')
    .option('--threshold <n>', 'how many root keys must sign the next document')
    .option('--bundle-key <file>', 'a bundle key to add, public JWK (several)', several)
    .option('--remove-bundle-key <thumbprint>', 'a bundle key to take out (several)', several)
    .option('--replace-bundle-keys', 'take out all bundle keys of before')
    .option('--bundle-threshold <n>', 'how many bundle keys must sign a bundle')
    .option('--valid <duration>', 'until the next document must be there', '365d')
    .action((options: InitOptions) => answer(run, options, (output) => initRoot(output, options)))
  const sign = newAnswer('sign', 'sign a draft with one root key, on a machine without a network')
    .argument('<draft>', 'from `qip keys root init`')
    .requiredOption('--key <file>', 'the sealed root key')
    .requiredOption('--passphrase-file <file>', 'mode 0600')
    .requiredOption('-o, --out <file>', 'the signature')
    .option('--previous <file>', 'the document in force, to show what changes')
    .action((draft: string, options: SignOptions) =>
      answer(run, options, (output) => signRoot(output, draft, options)),
    )
  const combine = newAnswer(
    'combine',
    'join the signatures of custodians and check them against both thresholds',
  )
    .argument('<signatures...>', 'from `qip keys root sign`')
    .requiredOption('--previous <file>', 'the document in force')
    .requiredOption('-o, --out <file>', 'the signed document')
    .action((files: readonly string[], options: CombineOptions) =>
      answer(run, options, (output) => combineRoot(output, files, options)),
    )
  const show = newAnswer('show', 'show what a draft or a signed document says')
    .argument('<file>')
    .option('--previous <file>', 'the document before, to show what changes')
    .action((file: string, options: ShowOptions) =>
      answer(run, options, (output) => showFile(output, file, options)),
    )
  return [made, init, sign, combine, show]
}

async function drawKey(output: Output, { name, out, passphraseFile }: NewOptions): Promise<void> {
  const key = generatePrivateKey('ML-DSA-87')
  const { keyFile, publicFile } = await writeOfflineKey(key, { folder: out, name, passphraseFile })
  const { kid } = key.publicKey
  output.show({ kid, keyFile, publicFile }, () => {
    output.line(tone('good', 'ok'), 'a root key was drawn, sealed, opened again and tried')
    output.facts([
      ['thumbprint', kid],
      ['sealed', keyFile],
      ['public', publicFile],
    ])
  })
}

async function initRoot(output: Output, options: InitOptions): Promise<void> {
  const previous = await readRootFile(options.previous)
  const roots = await keyChange('--threshold', {
    files: options.root,
    removed: options.removeRoot,
    replaces: options.replaceRoots,
    threshold: options.threshold,
  })
  const bundleKeys = await keyChange('--bundle-threshold', {
    files: options.bundleKey,
    removed: options.removeBundleKey,
    replaces: options.replaceBundleKeys,
    threshold: options.bundleThreshold,
  })
  const expires = Math.floor((Date.now() + parseSpan(options.valid)) / 1_000)
  const document = draftSuccessor(previous.document, { roots, bundleKeys, expires })
  const content = `${parseUtf8(buildRootDocument(document))}\n`
  await writeText({ path: options.out, what: 'draft', content })
  output.show({ file: options.out, ...rootJson(document) }, () => {
    showRoot(output, document, previous.document)
    const { threshold } = previous.document
    output.line(
      `  next: ${threshold} of the root keys before and ${document.threshold} of the new ones sign it:`,
      `qip keys root sign ${options.out} --key … --passphrase-file … --out …`,
    )
  })
}

async function keyChange(
  option: string,
  given: {
    readonly files: readonly string[] | undefined
    readonly removed: readonly string[] | undefined
    readonly replaces: boolean | undefined
    readonly threshold: string | undefined
  },
): Promise<KeyChange> {
  const { files = [], removed = [], replaces = false, threshold } = given
  if (threshold !== undefined && !/^[1-9]\d?$/.test(threshold)) {
    throw new CliError('QIP_CLI_USAGE', { reason: `${option} is not a number from 1 on` })
  }
  const added = (await Promise.all(files.map((file) => readPublicKeyFile(file)))).flat()
  return { added, removed, replaces, threshold: threshold === undefined ? undefined : Number(threshold) }
}

async function signRoot(output: Output, draft: string, options: SignOptions): Promise<void> {
  const { document } = await readRootFile(draft)
  const previous =
    options.previous === undefined ? undefined : (await readRootFile(options.previous)).document
  const key = await readOfflineKey(options.key, options.passphraseFile)
  const { kid } = key.publicKey
  if (
    ![...document.roots, ...(previous?.roots ?? [])].some((root) => root.kid === kid) &&
    previous !== undefined
  ) {
    throw new CliError('QIP_CLI_USAGE', {
      reason: `\`${kid}\` is a root key of neither document: its signature counts for nothing`,
      next: 'take another key, or another draft',
    })
  }
  const envelope = await signRootDocument(document, [key])
  await writeText({ path: options.out, what: 'signature', content: `${formatEnvelope(envelope)}\n` })
  output.show({ file: options.out, kid, ...rootJson(document) }, () => {
    output.line(tone('good', 'ok'), 'signed this, with', tone('strong', kid))
    showRoot(output, document, previous)
    output.line(`  next: bring ${options.out} to the others; nothing in it is secret`)
  })
}

async function combineRoot(output: Output, paths: readonly string[], options: CombineOptions): Promise<void> {
  const previous = (await readRootFile(options.previous)).document
  const files = await Promise.all(paths.map((path) => readRootFile(path)))
  const envelope = joinSignatures(files.map((file) => envelopeOf(file, files[0])))
  const { document } = files[0] as RootFile
  const signers = await signersAmong(envelope, [...previous.roots, ...document.roots])
  const counts = (roots: typeof document.roots) => roots.filter(({ kid }) => signers.has(kid)).length
  const have = {
    before: { signed: counts(previous.roots), threshold: previous.threshold },
    after: { signed: counts(document.roots), threshold: document.threshold },
  }
  const timeS = Math.floor(Date.now() / 1_000)
  const tell = ({ signed, threshold }: typeof have.before): string => `${signed} signed, ${threshold} must`
  if (have.before.signed < have.before.threshold || have.after.signed < have.after.threshold) {
    output.note(`root keys before: ${tell(have.before)}; its own: ${tell(have.after)}`)
  }
  const verified = await verifyRootDocument({ envelope, trusted: previous, timeS })
  const content = `${formatEnvelope(envelope)}\n`
  await writeText({ path: options.out, what: 'root document', content })
  const pins = pinsOf(verified.document)
  output.show({ file: options.out, ...rootJson(document), ...have }, () => {
    output.line(tone('good', 'ok'), 'signed by the root keys before it and by its own')
    output.facts([
      ['before', tell(have.before)],
      ['its own', tell(have.after)],
      ['pins', `${pins.thumbprints.join(' ')}, ${pins.threshold} of them`],
    ])
    output.line(`  next: qip keys root install ${options.out}`)
  })
}

function envelopeOf({ path, envelope, payload }: RootFile, first: RootFile | undefined) {
  const what = 'signature'
  if (envelope === undefined) {
    throw new CliError('QIP_CLI_FILE_MALFORMED', { path, what, reason: 'it is a draft that nobody signed' })
  }
  if (first !== undefined && Buffer.compare(payload, first.payload) !== 0) {
    const reason = `it is over another document than \`${first.path}\``
    throw new CliError('QIP_CLI_FILE_MALFORMED', { path, what, reason })
  }
  return envelope
}

async function showFile(output: Output, path: string, { previous: before }: ShowOptions): Promise<void> {
  const { document, envelope } = await readRootFile(path)
  const previous = before === undefined ? undefined : (await readRootFile(before)).document
  const keys = [...document.roots, ...(previous?.roots ?? [])]
  const signers = envelope === undefined ? [] : [...(await signersAmong(envelope, keys))]
  output.show({ ...rootJson(document), signed: envelope !== undefined, signers }, () => {
    showRoot(output, document, previous)
    output.facts([['signed by', signers.length === 0 ? 'nobody' : signers.join(' ')]])
  })
}
