import { enableCompileCache } from 'node:module'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { runFromSource } from './run-from-source.ts'

// Nothing of the workspace may be imported here before this: in the repository its packages resolve to their sources only
// under a condition, which Node takes at its start.
runFromSource(import.meta.url)

// A third of the start-up time. In a folder of this user's own: whoever may write there runs code as this user.
enableCompileCache(join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'quantum-ip', 'compile'))

const { runQip } = await import('./program.ts')
const { processIo } = await import('./lib/io.ts')
const code = await runQip(process.argv.slice(2), processIo())
process.exitCode = code
