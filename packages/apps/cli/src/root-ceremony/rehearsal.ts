import { chmod, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import { base64url, isQipError, systemRandom } from '@quantum-ip/base'
import type { RootDocument } from '@quantum-ip/trust'
import { CliError } from '../cli-errors.ts'
import { keysRootCommand } from '../commands/keys-root.ts'
import type { Run } from '../lib/io.ts'
import { type Output, tone } from '../lib/output.ts'
import { readOfflineKey } from './offline-key.ts'
import { readRootFile, signersAmong } from './root-file.ts'
import { openThrowawayDomain, type ThrowawayDomain } from './throwaway-domain.ts'

/** A step of the ceremony: the command that is run, and what must hold afterwards. */
interface Step {
  readonly title: string
  readonly args: readonly string[]
  /** The code that the command must fail with. */
  readonly refusedWith?: string
  /** What was checked, in words; throws if it does not hold. */
  readonly check?: () => Promise<string> | string
}

const custodians = ['ada', 'grace', 'mary']

/**
 * Goes through the whole ceremony with throwaway keys: an authority is founded, its root keys are taken offline, three custodians draw theirs, two of
 * them sign, and a verifier that follows meanwhile must never be without trust. Everything is removed afterwards.
 *
 * @throws {CliError} `QIP_CLI_CHECK_FAILED` at the first step that does not do what it should
 */
export async function rehearse(output: Output, run: Run): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'qip-rehearsal-'))
  try {
    await using domain = await openThrowawayDomain(folder)
    for (const name of ['export', ...custodians]) await writePassphrase(at(folder, `${name}.passphrase`))
    const watch = watchTrust(domain)
    const steps = ceremony(folder, domain)
    try {
      for (const [nth, step] of steps.entries()) await take(step, { nth: nth + 1, folder, output, run })
    } finally {
      await watch.stop()
    }
    const lapses = await watch.stop()
    if (lapses.length > 0) throw failed(`the verifier lost trust: ${lapses.join(', ')}`)
    output.show({ steps: steps.length, ok: true }, () => {
      output.line(
        tone('good', 'ok'),
        `${steps.length} steps; the verifier that followed was never without trust`,
      )
    })
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

const at = (folder: string, name: string): string => join(folder, name)

function ceremony(folder: string, domain: ThrowawayDomain): readonly Step[] {
  return [...onlineSteps(folder, domain), ...offlineSteps(folder), ...installSteps(folder, domain)]
}

function onlineSteps(folder: string, { authority, address, keysFolder }: ThrowawayDomain): readonly Step[] {
  const file = (name: string): string => at(folder, name)
  return [
    {
      title: 'Fetch the root document in force',
      args: ['fetch', '--authority', address, '--out', file('root-1.json')],
      check: () => `sequence ${authority.root.sequence}`,
    },
    {
      title: 'Take the root keys of the founding offline',
      args: [
        'export',
        '--keys',
        keysFolder,
        '--passphrase-file',
        file('export.passphrase'),
        '--out',
        file('safe'),
      ],
      async check() {
        const left = new Set(await readdir(keysFolder))
        if (authority.root.roots.some(({ kid }) => left.has(`${kid}.key`)))
          throw failed('a root key is still in custody')
        return 'custody holds no root key any more'
      },
    },
    {
      title: 'Make a bundle key for the next document',
      args: ['bundle-key', '--authority', address, '--out', file('bundle.public.jwk')],
      check: () => `${authority.bundleKeys.length} bundle keys in custody, one of them listed`,
    },
  ]
}

function offlineSteps(folder: string): readonly Step[] {
  const file = (name: string): string => at(folder, name)
  const sealed = (name: string) => ['--passphrase-file', file(`${name}.passphrase`)]
  return [
    ...custodians.map((name) => ({
      title: `Custodian ${name} draws a root key`,
      args: ['new', '--name', name, '--out', file(name), ...sealed(name)],
      async check() {
        const key = await readOfflineKey(file(`${name}/${name}.key`), file(`${name}.passphrase`))
        return `${key.publicKey.alg} ${key.publicKey.kid.slice(0, 8)}…, sealed and opened again`
      },
    })),
    {
      title: 'Begin the next document: three custodians, two of whom must sign; another bundle key',
      args: [
        'init',
        '--previous',
        file('root-1.json'),
        '--replace-roots',
        '--threshold',
        '2',
        ...custodians.flatMap((name) => ['--root', file(`${name}/${name}.public.jwk`)]),

        '--replace-bundle-keys',
        '--bundle-key',
        file('bundle.public.jwk'),
        '--out',
        file('root-2.draft'),
      ],
      async check() {
        const { sequence, threshold, roots } = (await readRootFile(file('root-2.draft'))).document
        return `sequence ${sequence}, ${threshold} of ${roots.length} root keys`
      },
    },
    ...['ada', 'grace'].map((name) => ({
      title: `Custodian ${name} signs`,
      args: [
        'sign',
        file('root-2.draft'),
        '--previous',
        file('root-1.json'),
        '--key',
        file(`${name}/${name}.key`),
        ...sealed(name),
        '--out',
        file(`${name}.signature`),
      ],
      check: () => signedBy(file(`${name}.signature`)),
    })),
    {
      title: 'Without a signature of the root keys before it, it is nothing',
      args: [
        'combine',
        file('ada.signature'),
        file('grace.signature'),
        '--previous',
        file('root-1.json'),
        '--out',
        file('x'),
      ],
      refusedWith: 'QIP_TRUST_SIGNATURES_INSUFFICIENT',
    },
  ]
}

function installSteps(folder: string, { authority, address, follower }: ThrowawayDomain): readonly Step[] {
  const file = (name: string): string => at(folder, name)
  const before = ['--previous', file('root-1.json')]
  const kid = authority.root.roots[0]?.kid.slice(0, 8) ?? ''
  return [
    {
      title: 'A root key of before signs, too',
      args: [
        'sign',
        file('root-2.draft'),
        ...before,
        '--key',
        file(`safe/root-${kid}.key`),
        '--passphrase-file',
        file('export.passphrase'),
        '--out',
        file('old.signature'),
      ],
      check: () => signedBy(file('old.signature'), authority.root),
    },
    {
      title: 'One custodian is too few',
      args: ['combine', file('ada.signature'), file('old.signature'), ...before, '--out', file('x')],
      refusedWith: 'QIP_TRUST_SIGNATURES_INSUFFICIENT',
    },
    {
      title: 'Join the signatures',
      args: [
        'combine',
        file('ada.signature'),
        file('grace.signature'),
        file('old.signature'),
        ...before,
        '--out',
        file('root-2.json'),
      ],
      check: async () => `sequence ${(await readRootFile(file('root-2.json'))).document.sequence}`,
    },
    {
      title: 'Install it',
      args: ['install', file('root-2.json'), '--authority', address],
      async check() {
        await until(() => follower.store.root?.sequence === 2 && follower.store.bundle?.rootSequence === 2)
        const [signer] = authority.root.bundleKeys
        return `the verifier holds root document 2 and a bundle signed by ${signer?.kid.slice(0, 8)}…`
      },
    },
    {
      title: 'Nobody installs it twice',
      args: ['install', file('root-2.json'), '--authority', address],
      refusedWith: 'QIP_CLIENT_AUTHORITY_REFUSED',
    },
  ]
}

async function signedBy(path: string, before?: RootDocument): Promise<string> {
  const { envelope, document } = await readRootFile(path)
  const keys = (before ?? document).roots
  const [kid, ...others] = envelope === undefined ? [] : await signersAmong(envelope, keys)
  if (kid === undefined || others.length > 0) throw failed(`\`${path}\` is not signed by one root key`)
  return `the signature of ${kid.slice(0, 8)}… holds`
}

interface Taking {
  readonly nth: number
  readonly folder: string
  readonly output: Output
  readonly run: Run
}

async function take(step: Step, { nth, folder, output, run }: Taking): Promise<void> {
  const { title, args, refusedWith, check } = step
  const shown = args.map((arg) => arg.replace(`${folder}/`, ''))
  const code = await codeOf(args, run)
  if (code !== refusedWith) {
    throw failed(
      `step ${nth} (${title}): ${code ?? 'it went through'}, expected ${refusedWith ?? 'no error'}`,
    )
  }
  const found = refusedWith === undefined ? ((await check?.()) ?? 'done') : `refused: ${refusedWith}`
  if (output.json) return
  output.line(tone('strong', `${nth}. ${title}`))
  output.line(tone('dim', `   $ qip keys root ${shown.join(' ')}`))
  output.line('  ', tone('good', 'ok'), found)
}

/** Runs a command of the ceremony without showing its answer; returns the code that it failed with. */
async function codeOf(args: readonly string[], run: Run): Promise<string | undefined> {
  const silent = new PassThrough().resume()
  const command = keysRootCommand({ ...run, stdout: silent, stderr: silent, end: () => undefined })
  try {
    await command.parseAsync(args, { from: 'user' })
    return undefined
  } catch (error) {
    if (!isQipError(error)) throw error
    return error.code
  }
}

/** Looks at the verifier in every turn until it is stopped. */
function watchTrust({ follower }: ThrowawayDomain): { stop(): Promise<readonly string[]> } {
  const seen = new Set<string>()
  const watch = { on: true }
  const watching = (async () => {
    while (watch.on) {
      const { staleness } = follower.status()
      if (staleness !== undefined) seen.add(staleness)
      await sleep(1)
    }
  })()
  return {
    async stop() {
      watch.on = false
      await watching
      return [...seen]
    },
  }
}

async function until(holds: () => boolean): Promise<void> {
  const deadline = Date.now() + 20_000
  while (!holds()) {
    if (Date.now() > deadline) throw failed('the verifier did not follow within 20 s')
    await sleep(5)
  }
}

async function writePassphrase(file: string): Promise<void> {
  await writeFile(file, `${base64url(systemRandom.bytes(24))}\n`, { mode: 0o600 })
  await chmod(file, 0o600)
}

function failed(what: string): CliError {
  return new CliError('QIP_CLI_CHECK_FAILED', { what: `the rehearsal: ${what}`, count: 1 })
}
