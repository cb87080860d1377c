import { readdir, rm } from 'node:fs/promises'
import type { JsonObject } from '@quantum-ip/base'
import { requestJson, requestObject } from '@quantum-ip/client'
import { parseEnvelope, parsePublicJwk, type PrivateKey, publicJwk } from '@quantum-ip/crypto'
import { parseRootDocument } from '@quantum-ip/trust'
import type { Command } from 'commander'
import { CliError } from '../cli-errors.ts'
import { askAuthority } from '../lib/authority.ts'
import { type AuthorityOptions, withAuthority } from '../lib/authority-options.ts'
import { answer, newAnswer, several } from '../lib/command.ts'
import { custodyConfig } from '../lib/custody-config.ts'
import { readText, writeText } from '../lib/files.ts'
import type { Run } from '../lib/io.ts'
import { readPrivateKeyFile } from '../lib/key-files.ts'
import { type Output, type OutputOptions, tone } from '../lib/output.ts'
import { plural } from '../lib/plural.ts'
import { writeOfflineKey } from '../root-ceremony/offline-key.ts'
import { readRootFile, rootJson, showRoot } from '../root-ceremony/root-file.ts'

interface ExportOptions extends OutputOptions {
  readonly config?: string
  readonly keys?: string
  readonly custodyPassphraseFile?: string
  readonly passphraseFile: string
  readonly out: string
  readonly kid?: readonly string[]
  readonly plain?: readonly string[]
  readonly keep?: boolean
}

interface OutOptions extends AuthorityOptions {
  readonly out: string
}

/** The steps of the ceremony on the authority's machine, or that ask the authority. */
export function onlineRootCommands(run: Run): readonly Command[] {
  const exported = newAnswer(
    'export',
    'take root keys offline: seal them into files of their own, and out of custody',
  )
    .requiredOption('--passphrase-file <file>', 'what they are sealed with, mode 0600')
    .requiredOption('-o, --out <folder>', 'where the files go: a medium that leaves the machine')
    .option(
      '--config <file>',
      'the configuration whose custody holds them (default: quantum-ip.yaml, if there is one)',
    )
    .option('--keys <folder>', 'the custody itself, instead of a configuration')
    .option('--custody-passphrase-file <file>', 'with --keys: what the custody is sealed with')
    .option('--kid <thumbprint>', 'only this one (several)', several)
    .option(
      '--plain <file>',
      'a root key in the clear that an older version left in `<data>/root`, instead of custody (several)',
      several,
    )
    .option('--keep', 'leave them where they are, too')
    .action((options: ExportOptions) => answer(run, options, (output) => exportKeys(output, options)))
  const fetch = newAnswer('fetch', 'write the root document in force to a file').requiredOption(
    '-o, --out <file>',
    'the document',
  )
  withAuthority(fetch).action((options: OutOptions) =>
    answer(run, options, (output) => fetchRoot(output, options)),
  )
  const bundleKey = newAnswer(
    'bundle-key',
    'make a bundle key in custody, for the next root document to list',
  ).requiredOption('-o, --out <file>', 'its public JWK')
  withAuthority(bundleKey).action((options: OutOptions) =>
    answer(run, options, (output) => makeBundleKey(output, options)),
  )
  const install = newAnswer('install', 'have the authority go over to a signed root document').argument(
    '<file>',
    'from `qip keys root combine`',
  )
  withAuthority(install).action((file: string, options: AuthorityOptions) =>
    answer(run, options, (output) => installRoot(output, file, options)),
  )
  return [exported, fetch, bundleKey, install]
}

interface ExportedKey {
  readonly kid: string
  readonly keyFile: string
  readonly publicFile: string
}

async function exportKeys(output: Output, options: ExportOptions): Promise<void> {
  const { plain = [] } = options
  const made = plain.length === 0 ? await exportFromCustody(options) : await exportPlain(plain, options)
  const kept = options.keep === true
  output.show({ keys: made.map((each) => ({ ...each })), kept }, () => {
    const keys = plural(made.length, 'root key', 'root keys')
    output.line(tone('good', 'ok'), `${keys} sealed, opened again and tried`)
    for (const { kid, keyFile } of made) output.line(' ', kid, keyFile)
    output.line(
      kept
        ? '  they are still where they were, too'
        : '  they are no longer where they were; backups of it may hold them',
    )
  })
}

async function exportFromCustody(options: ExportOptions): Promise<readonly ExportedKey[]> {
  const custody = await openCustody(options)
  try {
    const all = (await custody.list()).filter(({ purpose }) => purpose === 'root')
    const wanted = new Set(options.kid)
    const chosen = all.filter(({ publicKey }) => wanted.size === 0 || wanted.has(publicKey.kid))
    if (chosen.length === 0 || chosen.length < wanted.size) {
      throw new CliError('QIP_CLI_NOT_FOUND', {
        what: `such root key in custody (${custody.name})`,
        next: 'it may have been taken offline already; look for its file, or name one of an older version with --plain',
      })
    }
    const made: ExportedKey[] = []
    for (const { publicKey } of chosen) {
      const { key } = await custody.exportKey(publicKey.kid)
      made.push(await exportOne(key, options))
      if (options.keep !== true) await custody.destroy(publicKey.kid)
    }
    return made
  } finally {
    await custody.close()
  }
}

/** An older version left root keys in the clear in its data directory. */
async function exportPlain(
  files: readonly string[],
  options: ExportOptions,
): Promise<readonly ExportedKey[]> {
  const made: ExportedKey[] = []
  for (const file of files) {
    made.push(await exportOne(await readPrivateKeyFile(file), options))
    if (options.keep !== true) await rm(file)
  }
  return made
}

async function exportOne(key: PrivateKey, { out, passphraseFile }: ExportOptions): Promise<ExportedKey> {
  const { kid } = key.publicKey
  const { keyFile, publicFile } = await writeOfflineKey(key, {
    folder: out,
    name: `root-${kid.slice(0, 8)}`,
    passphraseFile,
  })
  return { kid, keyFile, publicFile }
}

async function openCustody({ config: file, keys, custodyPassphraseFile }: ExportOptions) {
  const { openFileCustody } = await import('@quantum-ip/custody')
  const named = custodyPassphraseFile === undefined ? undefined : { file: custodyPassphraseFile }
  const configured = keys === undefined ? await custodyConfig(file) : { directory: keys, passphrase: named }
  const { directory, passphrase } = configured
  // Opening makes a custody where there is none: here that is a mistake in the path.
  const names = await readdir(directory).catch((): string[] => [])
  if (!names.includes('custody.json')) {
    throw new CliError('QIP_CLI_NOT_FOUND', {
      what: `custody in \`${directory}\``,
      next: 'name the configuration of the authority with --config, or its folder with --keys',
    })
  }
  return openFileCustody({ folder: directory, ...(passphrase !== undefined && { passphrase }) })
}

async function fetchRoot(output: Output, options: OutOptions): Promise<void> {
  await using asked = await askAuthority(options)
  const request = {
    operation: 'the root document',
    method: 'GET',
    target: '/v1/root',
    answerBytesMax: 2_097_152,
  } as const
  const { body } = await asked.requester.request(request)
  const document = parseRootDocument(parseEnvelope(body).payload)
  const content = `${Buffer.from(body).toString('utf8')}\n`
  await writeText({ path: options.out, what: 'root document', content })
  output.show({ file: options.out, ...rootJson(document) }, () => {
    showRoot(output, document)
    output.line('  the authority says so; compare the thumbprints with those that verifiers are pinned to')
  })
}

async function makeBundleKey(output: Output, options: OutOptions): Promise<void> {
  await using asked = await askAuthority(options)
  const target = '/v1/root/bundle-keys'
  const request = { operation: 'a bundle key', method: 'POST', target, json: {} } as const
  const whole = (await requestJson(asked.requester, request)) as JsonObject
  const key = parsePublicJwk(whole['jwk'])
  const content = `${JSON.stringify(publicJwk(key))}\n`
  await writeText({ path: options.out, what: 'public key', content })
  output.show({ file: options.out, kid: key.kid }, () => {
    output.line(tone('good', 'ok'), 'a bundle key was made, which signs nothing yet')
    output.facts([
      ['thumbprint', key.kid],
      ['public', options.out],
    ])
    output.line(`  next: qip keys root init --bundle-key ${options.out} …`)
  })
}

async function installRoot(output: Output, path: string, options: AuthorityOptions): Promise<void> {
  const { document } = await readRootFile(path)
  const envelope = (await readText({ path, what: 'root document' })).trim()
  await using asked = await askAuthority(options)
  const installed = await requestObject(asked.requester, {
    operation: 'the root document',
    method: 'POST',
    target: '/v1/root',
    json: { envelope },
  })
  const seq = installed.integer('seq')
  output.show({ ...rootJson(document), seq }, () => {
    output.line(tone('good', 'ok'), `root document ${document.sequence} is in force`)
    output.line(
      '  next: qip fleet shows who holds it; then pin the new root keys at verifiers that start afresh',
    )
  })
}
