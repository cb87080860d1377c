// A fresh process in place of a new execution environment: loads a function, has it answer once, and says how long that took.
import { readFileSync } from 'node:fs'
import { enableCompileCache } from 'node:module'
import { pathToFileURL } from 'node:url'

interface LoadedFunction {
  readonly handler: (event: unknown, context: object) => Promise<{ readonly statusCode: number }>
}

const [, , file = '', eventFile = '', cache] = process.argv
const event: unknown = JSON.parse(readFileSync(eventFile, 'utf8'))
if (cache !== undefined) enableCompileCache(cache)
const atStart = process.cpuUsage()
const startMs = performance.now()
const { handler } = (await import(pathToFileURL(file).href)) as LoadedFunction
const loadedMs = performance.now()
const { statusCode } = await handler(event, {})
const doneMs = performance.now()
const { user, system } = process.cpuUsage(atStart)
const cpuMs = (user + system) / 1_000
const [loadMs, totalMs] = [loadedMs - startMs, doneMs - startMs]
process.stdout.write(JSON.stringify({ loadMs, totalMs, cpuMs, statusCode }))
process.exit(0)
