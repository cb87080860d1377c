import type { Command } from 'commander'
import type { RootPins } from '@quantum-ip/trust'
import { parseRootDocument, pinsOf } from '@quantum-ip/trust'
import { parseEnvelope } from '@quantum-ip/crypto'
import { CliError } from '../cli-errors.ts'
import type { Outcome } from '../exit-codes.ts'
import { thresholdOf } from '../lib/authority-trust.ts'
import { answer, newAnswer, several } from '../lib/command.ts'
import { malformedAs, readText } from '../lib/files.ts'
import { findAuthority } from '../lib/find-authority.ts'
import type { Run } from '../lib/io.ts'
import type { Output, OutputOptions } from '../lib/output.ts'
import { CaseMalformed, parseCase } from '../investigate/case-file.ts'
import { concludeCase } from '../investigate/conclusion.ts'
import { examineCase } from '../investigate/examine-case.ts'
import { showVerifiedCase } from '../investigate/show-verified.ts'

interface VerifyOptions extends OutputOptions {
  readonly root?: readonly string[]
  readonly rootThreshold?: string
  readonly rootDocument?: string
  readonly config?: string
  readonly digest?: string
}

const bytesMax = 512 * 1_048_576

/** `qip investigate verify`: checks every proof of a case again, offline. */
export function investigateVerifyCommand(run: Run): Command {
  return newAnswer(
    'verify',
    'check a case file again, offline: what it proves, what it only reports, and as of when',
  )
    .argument('<file>', 'as --export wrote it')
    .option(
      '--root <thumbprint>',
      'a root key that trust starts from; once for each (default: of the configuration)',
      several,
    )
    .option('--root-threshold <n>', 'how many of them must have signed')
    .option('--root-document <file>', 'in place of --root: a root document whose keys are the pins')
    .option('--digest <sha256>', 'the digest of the case that was noted when it was exported')
    .option(
      '--config <file>',
      'the configuration that has the pins (default: quantum-ip.yaml, if there is one)',
    )
    .action((file: string, options: VerifyOptions) =>
      answer(run, options, (output) => verifyFile(output, file, options)),
    )
}

async function verifyFile(output: Output, path: string, options: VerifyOptions): Promise<Outcome> {
  const file = { path, what: 'case file', bytesMax }
  const text = await readText(file)
  const pins = await readPinsOf(options)
  const { read, digest } = readCase(path, text)
  if (options.digest !== undefined && options.digest.replace(/^sha256:/, '').toLowerCase() !== digest) {
    throw new CliError('QIP_CLI_EXPECTATION_MISSED', {
      what: 'digest of the case',
      found: digest,
      expected: options.digest,
    })
  }
  const examined = await examineCase(read, pins)
  showVerifiedCase(output, {
    examined,
    conclusion: concludeCase(examined),
    digest,
    isNoted: options.digest !== undefined,
  })
  return 'ok'
}

function readCase(path: string, text: string): ReturnType<typeof parseCase> {
  try {
    return parseCase(text)
  } catch (cause) {
    if (!(cause instanceof CaseMalformed)) throw cause
    throw new CliError(
      'QIP_CLI_FILE_MALFORMED',
      { path, what: 'case file', reason: cause.message },
      { cause },
    )
  }
}

async function readPinsOf({
  root = [],
  rootThreshold,
  rootDocument,
  config: path,
}: VerifyOptions): Promise<RootPins> {
  if (rootDocument !== undefined) {
    const file = { path: rootDocument, what: 'root document' }
    const text = await readText(file)
    return malformedAs(file, () => pinsOf(parseRootDocument(parseEnvelope(text).payload)))
  }
  const { config } = await findAuthority(path === undefined ? {} : { config: path })
  const thumbprints = root.length > 0 ? root : (config?.trust.rootThumbprints ?? [])
  const configured = root.length > 0 ? undefined : config?.trust.rootThreshold.toString()
  if (thumbprints.length > 0)
    return { thumbprints, threshold: thresholdOf(rootThreshold ?? configured, thumbprints.length) }
  throw new CliError('QIP_CLI_USAGE', {
    reason: 'nobody says which root keys trust starts from: a case cannot vouch for its own',
    next: '--root <thumbprint> for each, or --root-document <file>; `qip keys root fetch -o <file>` writes one, from an authority that is trusted',
  })
}
