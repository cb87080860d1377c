// The image, built as deploy/container/Containerfile says, with Buildah, which needs no engine that runs beside it. Its base is not the
// registry's: it is put together here of the same distribution's packages and the Node that this test runs on.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import {
  copyFileSync,
  cpSync,
  existsSync,
  mkdtempSync,
  realpathSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { delimiter, dirname, join } from 'node:path'
import { test } from 'node:test'
import { read, root } from './lib-packages.ts'
import { type Outcome, needComponent, runComponent } from './real-components.ts'

const buildah = await needComponent('buildah')
const debootstrap = await needComponent('debootstrap')
const notRoot = process.getuid?.() === 0 ? false : 'only root may build without a user namespace'
const skip = buildah.skip || debootstrap.skip || notRoot
const limitMs = 900_000

const base = /^FROM (\S+) AS build$/m.exec(read('deploy/container/Containerfile'))?.[1] ?? ''

/** Buildah on a store of its own. */
class Store {
  readonly folder: string

  constructor(folder: string) {
    this.folder = folder
    const places = `graphroot = "${join(folder, 'graph')}"\nrunroot = "${join(folder, 'run')}"`
    writeFileSync(join(folder, 'storage.conf'), `[storage]\ndriver = "vfs"\n${places}\n`)
    process.env['CONTAINERS_STORAGE_CONF'] = join(folder, 'storage.conf')
    process.env['BUILDAH_ISOLATION'] = 'chroot'
  }

  async run(...args: readonly string[]): Promise<string> {
    const { status, stdout, stderr } = await this.try(...args)
    assert.equal(status, 0, `${args.join(' ')}\n${stdout.toString().slice(-3_000)}\n${stderr.slice(-3_000)}`)
    return stdout.toString().trim()
  }

  try(...args: readonly string[]): Promise<Outcome> {
    return runComponent(buildah, args, { timeoutMs: limitMs })
  }
}

/** Where npm is, with all that belongs to it. */
function npmFolder(): string {
  const folders = (process.env['PATH'] ?? '').split(delimiter)
  const found = folders.map((folder) => join(folder, 'npm')).filter((file) => existsSync(file))
  return dirname(dirname(realpathSync(found.at(-1) ?? 'npm')))
}

/** The distribution, Node and npm where the image on the registry has them. */
async function layOutBase(store: Store): Promise<void> {
  const tree = join(store.folder, 'tree')
  const packages = '--include=ca-certificates,libatomic1'
  const args = ['--variant=minbase', packages, 'bookworm', tree]
  const made = await runComponent(debootstrap, args, { timeoutMs: limitMs })
  assert.equal(made.status, 0, made.stdout.toString().slice(-2_000))
  copyFileSync(process.execPath, join(tree, 'usr/local/bin/node'))
  cpSync(npmFolder(), join(tree, 'usr/local/lib/node_modules/npm'), { recursive: true })
  for (const program of ['npm', 'npx'])
    symlinkSync(`../lib/node_modules/npm/bin/${program}-cli.js`, join(tree, 'usr/local/bin', program))
  const container = await store.run('from', 'scratch')
  spawnSync('cp', ['-a', `${tree}/.`, await store.run('mount', container)])
  await store.run('umount', container)
  await store.run('commit', '--quiet', '--rm', container, base)
  await rm(tree, { recursive: true, force: true })
}

/** What a machine trusts, where a proxy in front signs certificates of its own; nothing of it is in the image. */
function machineCertificates(folder: string): readonly string[] {
  const file = process.env['NODE_EXTRA_CA_CERTS'] ?? '/etc/ssl/certs/ca-certificates.crt'
  if (!existsSync(file)) return []
  writeFileSync(join(folder, 'npmrc'), 'cafile=/run/machine-ca.pem\n')
  return [
    '--volume',
    `${join(folder, 'npmrc')}:/root/.npmrc:ro`,
    '--volume',
    `${file}:/run/machine-ca.pem:ro`,
  ]
}

const unreachable =
  /npm error code (?:ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ETIMEDOUT|SELF_SIGNED_CERT_IN_CHAIN|UNABLE_TO_\w+)/

test(
  'the image is built, on a base that is put together here of Debian and Node, and runs the journey of a build as a user without rights',
  { skip, timeout: limitMs },
  async (t) => {
    const folder = mkdtempSync(join(tmpdir(), 'qip-image-'))
    const store = new Store(folder)
    try {
      await layOutBase(store)
      const file = join(root, 'deploy/container/Containerfile')
      const options = ['--isolation', 'chroot', '--pull-never', ...machineCertificates(folder)]
      const call = ['bud', ...options, '--file', file, '--tag', 'quantum-ip', root]
      const built = await store.try(...call)
      if (built.status !== 0 && unreachable.test(built.stderr))
        return t.skip('npm in the image reaches no registry')
      assert.equal(built.status, 0, `${call.join(' ')}\n${built.stderr.slice(-3_000)}`)
      const container = await store.run('from', '--pull-never', 'localhost/quantum-ip')
      const inside = (...command: readonly string[]): Promise<string> =>
        store.run('run', '--isolation', 'chroot', container, '--', ...command)

      assert.equal(await inside('qip', '--version'), '0.1.0')
      assert.equal(await inside('id', '-u'), '10001')
      const writable = 'find /opt /usr /etc /bin /lib -writable ! -type l ! -path "/etc/*" | head -3'
      assert.equal(await inside('sh', '-c', writable), '', 'nothing of the program may be changed')
      const left =
        'ls /opt/quantum-ip/node_modules/typescript /opt/quantum-ip/packages/apps/cli/src 2>/dev/null | head -1'
      assert.equal(await inside('sh', '-c', left), '', 'neither sources nor tools of the build')
      const size = await inside('sh', '-c', 'du -sm /opt/quantum-ip | cut -f1')
      t.diagnostic(`${buildah.version}: the program takes ${size} MiB of the image`)

      const journey = JSON.parse(await inside('qip', 'up', '--demo', '--once', '--json')) as {
        readonly ok: boolean
        readonly cases: readonly unknown[]
      }
      assert.deepEqual([journey.ok, journey.cases.length], [true, 10])
    } finally {
      await store.try('rm', '--all')
      await rm(folder, { recursive: true, force: true })
    }
  },
)
