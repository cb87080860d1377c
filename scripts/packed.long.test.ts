// The packages as they would be published: built, packed, and installed where nothing else is.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { after, before, test } from 'node:test'
import { root, workspacePackages } from './lib-packages.ts'

const published = workspacePackages().filter(({ isPrivate }) => !isPrivate)
const folder = mkdtempSync(join(tmpdir(), 'qip-packed-'))
after(() => rm(folder, { recursive: true, force: true }))

interface Ran {
  readonly status: number | null
  readonly stdout: string
  readonly stderr: string
}

/** Runs a program with this Node first and without the condition under which packages are their sources. */
function run(cwd: string, command: string, ...args: readonly string[]): Ran {
  const path = `${dirname(process.execPath)}:${process.env['PATH'] ?? ''}`
  const env = { ...process.env, NODE_OPTIONS: '', PATH: path }
  const done = spawnSync(command, args, { cwd, encoding: 'utf8', env, timeout: 600_000 })
  return { status: done.status, stdout: done.stdout, stderr: done.stderr }
}

let missing: string | undefined

before(() => {
  const built = run(root, process.execPath, 'scripts/build.ts')
  assert.equal(built.status, 0, built.stdout.slice(-2_000) + built.stderr.slice(-2_000))
  const packed = run(
    root,
    'npm',
    'pack',
    '--silent',
    '--ignore-scripts',
    '--pack-destination',
    folder,
    ...published.flatMap(({ name }) => ['--workspace', name]),
  )
  assert.equal(packed.status, 0, packed.stderr)
  const files = packed.stdout.trim().split('\n')
  assert.equal(files.length, published.length)
  writeFileSync(join(folder, 'package.json'), '{ "name": "stranger", "private": true, "type": "module" }\n')
  const options = ['--ignore-scripts', '--no-audit', '--no-fund', '--no-save']
  const installed = run(folder, 'npm', 'install', ...options, ...files.map((file) => `./${file}`))
  const unreachable = /ENOTFOUND|ECONNREFUSED|EAI_AGAIN|ETIMEDOUT/.test(installed.stderr)
  if (unreachable) missing = 'the registry is out of reach, and what the packages depend on comes from there'
  else assert.equal(installed.status, 0, installed.stderr.slice(-2_000))
})

test('`qip` runs from the packages alone', (t) => {
  if (missing !== undefined) return t.skip(missing)
  const qip = join(folder, 'node_modules/.bin/qip')
  assert.equal(run(folder, qip, '--version').stdout, '0.1.0\n')
  const journey = run(folder, qip, 'up', '--demo', '--once', '--json')
  assert.equal(journey.status, 0, journey.stdout.slice(-2_000) + journey.stderr.slice(-2_000))
  const { ok, cases } = JSON.parse(journey.stdout) as { ok: boolean; cases: readonly unknown[] }
  assert.deepEqual([ok, cases.length], [true, 10])
})

test('every export of every package loads, and has types', (t) => {
  if (missing !== undefined) return t.skip(missing)
  const faults: string[] = []
  for (const { name } of published.filter((each) => each.name !== 'quantum-ip')) {
    const place = join(folder, 'node_modules', name)
    const { exports } = JSON.parse(readFileSync(join(place, 'package.json'), 'utf8')) as {
      exports: Readonly<Record<string, Readonly<Record<string, string>>>>
    }
    for (const [path, conditions] of Object.entries(exports)) {
      const wanted = join(name, path)
      const code = `const { length } = Object.keys(await import('${wanted}')); if (length === 0) throw new Error('empty')`
      const loaded = run(folder, process.execPath, '--input-type=module', '--eval', code)
      if (loaded.status !== 0) faults.push(`${wanted}: ${/^\w*Error.*$/m.exec(loaded.stderr)?.[0] ?? ''}`)
      readFileSync(join(place, conditions['types'] ?? ''))
    }
  }
  assert.deepEqual(faults, [])
})

test('nothing is packed but what runs: no sources, no tests, and the licence is there', (t) => {
  if (missing !== undefined) return t.skip(missing)
  for (const { name } of published) {
    const found = run(
      join(folder, 'node_modules', name),
      'find',
      '.',
      '-path',
      './node_modules',
      '-prune',
      '-o',
      '-type',
      'f',
      '-print',
    )
    const files = found.stdout.trim().split('\n')
    assert.deepEqual(
      files.filter((file) => /^\.\/(?:src|test)\/|\.test\./.test(file)),
      [],
      name,
    )
    assert.ok(files.includes('./README.md'), `${name} has a README`)
  }
})
