import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { hex } from '@quantum-ip/base'
import { buildProvenance, signStatement } from '@quantum-ip/attestation'
import { formatEnvelope, type PrivateKey, sha256 } from '@quantum-ip/crypto'
import { demo } from './demo-config.ts'

/** A built artifact: a file, and its digest in hexadecimal. */
export interface DemoArtifact {
  readonly file: string
  readonly bytes: number
  readonly digest: string
}

const run = promisify(execFile)

/** Packs this very repository, or the installed package: a real artifact. */
export async function packArtifact(folder: string): Promise<DemoArtifact> {
  const own = fileURLToPath(new URL('../..', import.meta.url))
  const repository = fileURLToPath(new URL('../../../../..', import.meta.url))
  const root = existsSync(join(repository, 'ARCHITECTURE.md')) ? repository : own
  const target = join(folder, 'artifacts')
  await mkdir(target, { recursive: true })
  const npm = process.env['npm_execpath']
  const [command, first] = npm === undefined ? ['npm', []] : [process.execPath, [npm]]
  const { stdout } = await run(
    command,
    [...first, 'pack', '--json', '--ignore-scripts', '--pack-destination', target],
    {
      cwd: root,
      // In a container there is no home folder that npm could write to.
      env: { ...process.env, NODE_OPTIONS: '', npm_config_cache: join(folder, 'npm-cache') },
    },
  )
  const name = /"filename":\s*"([^"]+)"/.exec(stdout)?.[1] ?? ''
  return digestOf(join(target, name))
}

/** A second build, of which nobody signed anything: the first one with one byte changed. */
export async function tamperArtifact({ file }: DemoArtifact): Promise<DemoArtifact> {
  const bytes = await readFile(file)
  bytes[bytes.length - 1] = (bytes.at(-1) ?? 0) ^ 1
  const copy = file.replace(/\.tgz$/, '-unattested.tgz')
  await writeFile(copy, bytes)
  return digestOf(copy)
}

async function digestOf(file: string): Promise<DemoArtifact> {
  const bytes = await readFile(file)
  return { file, bytes: bytes.length, digest: hex(sha256(bytes)) }
}

/** The signed attestation of a build: a DSSE envelope as JSON. */
export async function signArtifact(artifact: DemoArtifact, keys: readonly PrivateKey[]): Promise<string> {
  const statement = buildProvenance({
    artifacts: [{ name: 'pkg:npm/quantum-ip', build: Buffer.from(artifact.digest, 'hex') }],
    builderId: demo.builder,
    buildType: 'https://quantum-ip.dev/buildtypes/npm-pack/v1',
    source: {
      uri: demo.source,
      ref: 'refs/heads/main',
      commit: hex(sha256(Buffer.from(artifact.digest))).slice(0, 40),
    },
    invocationId: `demo-${process.pid}`,
    finishedOnMs: Date.now(),
  })
  return formatEnvelope(await signStatement(statement, keys))
}
