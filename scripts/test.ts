// Runs the tests with Node's own runner. `--long` adds the fuzzing and crash suites, `--real` runs the tests
// against real components (and only those). Further arguments are files or patterns to run instead of all.
import { spawnSync } from 'node:child_process'
import { globSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = join(dirname(fileURLToPath(import.meta.url)), '..')
const flags = process.argv.slice(2).filter((argument) => argument.startsWith('--'))
const chosen = process.argv.slice(2).filter((argument) => !argument.startsWith('--'))

const unknown = flags.find((flag) => flag !== '--long' && flag !== '--real')
if (unknown !== undefined) {
  process.stderr.write(`test: unknown flag ${unknown}\n  next: use --long, --real, or name test files\n`)
  process.exit(2)
}

const wantsLong = flags.includes('--long')
const wantsReal = flags.includes('--real')
const files =
  chosen.length > 0
    ? globSync(chosen, { cwd: root })
    : globSync(['packages/**/*.test.ts', 'scripts/*.test.ts', 'bench/*.test.ts', 'examples/**/*.test.ts'], {
        cwd: root,
        exclude: (path) => path.includes('node_modules') || path.includes('dist'),
      }).filter((file) => {
        if (file.endsWith('.real.test.ts')) return wantsReal
        if (wantsReal) return false
        return wantsLong || !file.endsWith('.long.test.ts')
      })

if (files.length === 0) {
  process.stderr.write('test: no test file matches\n')
  process.exit(2)
}

const done = spawnSync(
  process.execPath,
  [
    '--conditions=quantum-ip-source',
    '--test',
    '--test-concurrency=2',
    '--test-timeout=900000',
    ...files.sort(),
  ],
  { cwd: root, stdio: 'inherit', env: { ...process.env, QIP_TEST_LONG: wantsLong ? '1' : '' } },
)
process.exit(done.status ?? 1)
