import assert from 'node:assert/strict'
import { existsSync, globSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { brokenLinks } from './document-links.ts'
import { filesOf, importsOf, read, root, workspacePackages } from './lib-packages.ts'
import { referencePages } from './reference.ts'

const packages = workspacePackages()
const ours = new Map(packages.map((entry) => [entry.name, entry]))

/** The rows `| \`folder\` | … | may import |` of the code map. */
function mayImport(): ReadonlyMap<string, readonly string[]> {
  const rows = read('ARCHITECTURE.md').matchAll(/^\| `(packages\/[^`]+)` \|[^|]*\| ([^|]*) \|$/gm)
  return new Map(
    [...rows].map(([, folder = '', names = '']) => [
      folder,
      [...names.matchAll(/`([a-z]+)`/g)].map(([, name]) => `@quantum-ip/${name}`),
    ]),
  )
}

test('every package stands in the code map of ARCHITECTURE.md', () => {
  assert.deepEqual([...mayImport().keys()].sort(), packages.map(({ folder }) => folder).sort())
})

for (const { name, folder, dependencies, devDependencies } of packages) {
  test(`${name} imports what its "may import" line allows, and declares all of it`, () => {
    const allowed = mayImport().get(folder) ?? []
    for (const file of filesOf(folder, 'sources')) {
      for (const imported of importsOf(read(file))) {
        if (imported === name) continue
        assert.ok(
          dependencies.includes(imported),
          `${file} imports ${imported}, which package.json does not declare`,
        )
        if (!ours.has(imported)) continue
        assert.ok(allowed.includes(imported), `${file} imports ${imported} against ARCHITECTURE.md`)
      }
    }
    for (const file of filesOf(folder, 'tests')) {
      for (const imported of importsOf(read(file))) {
        if (imported === name || !ours.has(imported)) continue
        assert.ok(
          dependencies.includes(imported) || devDependencies.includes(imported),
          `${file} imports ${imported}, which package.json does not declare`,
        )
      }
    }
  })
}

test('the trusted core depends on nothing outside of this repository', () => {
  for (const { name, folder, dependencies } of packages) {
    if (!folder.startsWith('packages/core/')) continue
    assert.deepEqual(
      dependencies.filter((dependency) => !ours.has(dependency)),
      [],
      name,
    )
  }
})

test('the trusted core does no I/O and reads no clock', () => {
  const forbidden =
    /from 'node:(?:fs|net|http|https|http2|tls|dgram|child_process|worker_threads|dns)|Date\.now\(|performance\.now\(|Math\.random\(|setTimeout\(|setInterval\(|(?:await|return|[=(]) ?fetch\(/
  for (const { folder } of packages.filter(({ folder }) => folder.startsWith('packages/core/'))) {
    for (const file of filesOf(folder, 'sources')) {
      // The one place where the machine's clock is wrapped.
      if (file.endsWith('base/src/clock.ts')) continue
      const code = read(file).replaceAll(/\/\*[\s\S]*?\*\/|\/\/.*$/gm, '')
      assert.ok(!forbidden.test(code), `${file} has ${forbidden.exec(code)?.[0] ?? ''}`)
    }
  }
})

test('every export has a doc comment', () => {
  const exported =
    /^export (?:declare )?(?:abstract )?(?:async )?(?:function\*?|class|const|interface|type|enum) (\w+)/
  for (const { folder } of packages) {
    for (const file of filesOf(folder, 'sources')) {
      if (file.includes('/lib/')) continue
      const lines = read(file).split('\n')
      for (const [at, line] of lines.entries()) {
        const name = exported.exec(line)?.[1]
        if (name === undefined) continue
        let above = at - 1
        while (/^\/\/ |^@/.test(lines[above] ?? '')) above--
        // Overloads share the comment of the first.
        const overload = new RegExp(`^export (?:async )?function ${name}\\b`).test(lines[above] ?? '')
        assert.ok(
          overload || (lines[above] ?? '').trimEnd().endsWith('*/'),
          `${file}:${at + 1} \`${name}\` has no doc comment`,
        )
      }
    }
  }
})

test('an index is the only list of re-exports, by name', () => {
  for (const { folder } of packages) {
    for (const file of filesOf(folder, 'sources')) {
      const isIndex = file.endsWith('/src/index.ts')
      const text = read(file)
      if (!isIndex) continue
      assert.doesNotMatch(text, /^export \* from/m, file)
    }
  }
})

test('the reference pages say what the tables in code say', async () => {
  for (const [file, text] of await referencePages()) {
    assert.ok(existsSync(join(root, file)), `${file} is missing: node scripts/reference.ts`)
    assert.ok(read(file) === text, `${file} differs: node scripts/reference.ts`)
  }
})

test('every error code that is thrown stands in a table', () => {
  const known = new Set(
    [...read('docs/reference/errors.md').matchAll(/`(QIP_[A-Z0-9_]+)`/g)].map(([, code]) => code),
  )
  for (const { folder } of packages) {
    for (const file of filesOf(folder, 'sources')) {
      for (const [, code] of read(file).matchAll(/new \w+Error\(\s*'(QIP_[A-Z0-9_]+)'/g)) {
        assert.ok(known.has(code), `${file} throws ${code}, which no table explains`)
      }
    }
  }
})

test('relative links and their anchors lead somewhere in every document', () => {
  const documents = globSync(['*.md', '{bench,deploy,docs}/**/*.md', 'packages/{*/*,testing}/*.md'], {
    cwd: root,
  })
  for (const file of documents.filter((path) => !path.includes('node_modules'))) {
    assert.deepEqual(brokenLinks(file, read(file)), [], file)
  }
})

test('a link to a missing file and one to a missing heading are found', () => {
  const text =
    '# Here\n[a](#here) [b](gone.md) [c](README.md#nowhere) [d](https://example.com) [e](README.md)'
  assert.deepEqual(brokenLinks('README.md', text), ['gone.md', 'README.md#nowhere'])
})
