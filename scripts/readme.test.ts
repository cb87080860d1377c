// Examples in READMEs are run: each block of TypeScript in a package's README, as a module of its own.
import assert from 'node:assert/strict'
import { existsSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { pathToFileURL } from 'node:url'
import { read, root, workspacePackages } from './lib-packages.ts'

for (const { name, folder, isPrivate } of workspacePackages()) {
  if (isPrivate) continue
  test(`the README of ${name} is there, and its examples run`, async () => {
    assert.ok(existsSync(join(root, folder, 'README.md')), `${folder} has no README.md`)
    const blocks = [...read(join(folder, 'README.md')).matchAll(/```ts\n([\s\S]*?)```/g)]
    for (const [at, [, code = '']] of blocks.entries()) {
      const file = join(root, folder, `.readme-example-${at}.ts`)
      writeFileSync(file, code)
      try {
        await import(pathToFileURL(file).href)
      } finally {
        rmSync(file)
      }
    }
  })
}
