import { DrillImpossible } from './drill.ts'
import type { Lab } from './lab.ts'
import { freePort, listens, type RunningProcess, startProcess } from './processes.ts'
import { findProgram } from './programs.ts'

/** A Redis that keeps nothing on disk, as a replay store may. */
export interface LabRedis {
  readonly url: string
  start(): Promise<void>
  kill(): Promise<void>
}

/** Starts a Redis of the distribution. @throws {DrillImpossible} */
export async function openRedis(lab: Lab): Promise<LabRedis> {
  const command = findProgram('redis-server')
  if (command === undefined) throw new DrillImpossible('redis-server is not installed')
  const port = await freePort()
  const folder = await lab.subfolder('redis')
  const settings = ['--port', String(port), '--bind', '127.0.0.1', '--dir', folder]
  const memory = ['--maxmemory-policy', 'noeviction', '--save', '', '--appendonly', 'no']
  let running: RunningProcess | undefined
  lab.defer(() => running?.kill())
  const redis: LabRedis = {
    url: `redis://127.0.0.1:${port}`,
    async start() {
      running = await startProcess({ command, args: [...settings, ...memory], isReady: () => listens(port) })
    },
    async kill() {
      await running?.kill()
    },
  }
  await redis.start()
  return redis
}
