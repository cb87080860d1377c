#!/usr/bin/env node
// Plain JavaScript, so that an old Node can read it and say what it needs instead of a syntax error.
import { existsSync } from 'node:fs'

const [major, minor] = process.versions.node.split('.').map(Number)
if (major < 24 || (major === 24 && minor < 12)) {
  process.stderr.write(`qip: needs Node >= 24.12 (ML-DSA comes with its OpenSSL), this is ${process.version}\n`)
  process.stderr.write('  next: run it with `npx qip` inside a project that has it, or update Node\n')
  process.exit(70)
}
const source = new URL('../src/main.ts', import.meta.url)
await import(existsSync(source) ? source : new URL('../dist/main.js', import.meta.url))
