import { spawnSync } from 'node:child_process'

const condition = 'quantum-ip-source'

/**
 * Starts this program again with the condition under which packages resolve to their TypeScript sources, if it runs from its
 * own source and was started without. `npm` and `npx` set the condition; whoever calls the file itself does not.
 */
export function runFromSource(module: string): void {
  if (!module.endsWith('.ts')) return
  const given = [...process.execArgv, process.env['NODE_OPTIONS'] ?? '']
  if (given.some((option) => option.includes(condition))) return
  const options = [`--conditions=${condition}`, ...process.execArgv, ...process.argv.slice(1)]
  // The same process: nothing stands between signals, terminal or pipes and the program.
  if (process.platform !== 'win32')
    process.execve?.(process.execPath, [process.execPath, ...options], process.env)
  const done = spawnSync(process.execPath, options, { stdio: 'inherit' })
  process.exit(done.status ?? 70)
}
