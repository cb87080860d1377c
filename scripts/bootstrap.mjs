// Installs the workspace when the lockfile changed since the last install on this machine.
//
// Plain JavaScript without dependencies: it runs under any Node >= 20, before anything is installed,
// as the pre-script of every npm script. It compares a stamp, not file times, so that a fresh clone,
// a pulled lockfile and a moved checkout are all noticed, and an unchanged one costs milliseconds.
import { createHash } from 'node:crypto'
import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = join(dirname(fileURLToPath(import.meta.url)), '..')
const stampFile = join(root, 'node_modules', '.bootstrap-stamp')
const lockfile = readFileSync(join(root, 'package-lock.json'))
const wanted = createHash('sha256')
  .update(lockfile)
  .update(`\0${process.platform}\0${process.arch}`)
  .digest('hex')

if (!existsSync(stampFile) || readFileSync(stampFile, 'utf8') !== wanted) {
  const started = Date.now()
  process.stderr.write('installing dependencies (first run, or the lockfile changed) ...\n')
  npm(['ci', '--no-audit', '--no-fund', '--loglevel=error'])
  // npm 10 does not link the bin of an optional dependency in a workspace; a rebuild does.
  if (!existsSync(join(root, 'node_modules', '.bin', nodeName()))) npm(['rebuild', '--ignore-scripts'])
  if (!existsSync(join(root, 'node_modules', '.bin', nodeName()))) {
    fail(
      `no Node 26 binary package for ${process.platform}-${process.arch}`,
      'install Node >= 24.12 yourself and run the script again with it first on your PATH',
    )
  }
  writeFileSync(stampFile, wanted)
  process.stderr.write(`installed in ${((Date.now() - started) / 1000).toFixed(1)} s\n`)
}

function nodeName() {
  return process.platform === 'win32' ? 'node.cmd' : 'node'
}

function npm(args) {
  const cli = process.env.npm_execpath
  const [command, first] = cli ? [process.execPath, [cli]] : ['npm', []]
  // The condition in .npmrc is of no use to the installer, and older npm versions stumble over it.
  const env = { ...process.env, NODE_OPTIONS: '' }
  const done = spawnSync(command, [...first, ...args], {
    cwd: root,
    stdio: ['ignore', 'ignore', 'inherit'],
    env,
  })
  if (done.status !== 0) {
    fail(
      `\`npm ${args.join(' ')}\` ended with ${done.status ?? done.signal ?? done.error?.message}`,
      'check that the npm registry can be reached, then run the same command again',
    )
  }
}

function fail(what, next) {
  process.stderr.write(`bootstrap: ${what}\n  next: ${next}\n`)
  process.exit(1)
}
