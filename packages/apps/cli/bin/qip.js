#!/usr/bin/env node
// Plain JavaScript, so that an old Node can read it, and start the program with the right one or say what it needs.
import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const [major, minor] = process.versions.node.split('.').map(Number)
const isOld = major < 24 || (major === 24 && minor < 12)

/** The Node that is installed beside this package, as npm's scripts and npx find it. */
function installedNode() {
  for (let folder = dirname(fileURLToPath(import.meta.url)); ; folder = dirname(folder)) {
    const node = join(folder, 'node_modules', '.bin', 'node')
    if (existsSync(node)) return node
    if (dirname(folder) === folder) return undefined
  }
}

if (isOld) {
  const node = process.env.QIP_NODE_STARTED === undefined ? installedNode() : undefined
  if (node === undefined) {
    process.stderr.write(
      `qip: needs Node >= 24.12 (ML-DSA comes with its OpenSSL), this is ${process.version}\n`,
    )
    process.stderr.write('  next: run it with `npx qip` inside a project that has it, or update Node\n')
    process.exit(70)
  }
  const child = spawn(node, process.argv.slice(1), {
    stdio: 'inherit',
    env: { ...process.env, QIP_NODE_STARTED: '1' },
  })
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal))
  child.on('error', (error) => {
    process.stderr.write(`qip: cannot start ${node}: ${error.message}\n`)
    process.exit(70)
  })
  child.on('exit', (code, signal) => process.exit(signal === null ? code : 70))
} else {
  const source = new URL('../src/main.ts', import.meta.url)
  await import(existsSync(source) ? source : new URL('../dist/main.js', import.meta.url))
}
