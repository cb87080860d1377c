// `npm run check`: types, lint, format, unused code. Each tool says what is wrong; all run, so that one pass shows everything.
import { spawnSync } from 'node:child_process'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = join(dirname(fileURLToPath(import.meta.url)), '..')
const steps: readonly (readonly [name: string, command: string, ...args: string[]])[] = [
  ['types', 'tsc', '--project', '.'],
  ['lint', 'oxlint', '--type-aware', '--deny-warnings'],
  ['format', 'oxfmt', '--check'],
  ['unused', 'knip', '--no-progress'],
]

const failed: string[] = []
for (const [name, command, ...args] of steps) {
  const started = performance.now()
  const done = spawnSync(join(root, 'node_modules', '.bin', command), args, { cwd: root, stdio: 'inherit' })
  const ok = done.status === 0
  process.stdout.write(
    `${ok ? 'ok  ' : 'FAIL'} ${name} (${((performance.now() - started) / 1000).toFixed(1)} s)\n`,
  )
  if (!ok) failed.push(name)
}
if (failed.length > 0) {
  process.stdout.write(`check failed: ${failed.join(', ')}\n`)
  process.exit(1)
}
