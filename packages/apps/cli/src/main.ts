import { enableCompileCache } from 'node:module'
import { join } from 'node:path'
import { runFromSource } from './run-from-source.ts'

// Nothing of the workspace may be imported here before this: in the repository its packages resolve to their sources only
// under a condition, which Node takes at its start.
runFromSource(import.meta.url)

// Half of the start-up time. In a folder of this user's own: whoever may write there runs code as this user.
const { HOME: home, XDG_CACHE_HOME: cache = home && join(home, '.cache') } = process.env
if (cache) enableCompileCache(join(cache, 'quantum-ip', 'compile'))

const { runQip } = await import('./program.ts')
const { processIo } = await import('./lib/io.ts')
const { codedError, tellError } = await import('./lib/tell-error.ts')
const io = processIo()
process.on('uncaughtException', (error) => {
  tellError(io, codedError(error), process.argv.includes('--json'))
  process.exit(70)
})
process.exitCode = await runQip(process.argv.slice(2), io)
