import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'

// The kernel counts processor time of a process in these.
const tickUs = 10_000

/** Processor time that a process has used, all its threads together, microseconds. In steps of 10 ms. */
export function cpuUsOf(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'latin1')
    .replace(/^.*\) /s, '')
    .split(' ')
  return (Number(fields[11]) + Number(fields[12])) * tickUs
}

/** Holds a process that runs, all its threads, to the servers' core, where the machine lets us. */
export function holdToServerCore(pid: number): void {
  if (process.platform !== 'linux') return
  spawnSync('taskset', ['-a', '-p', '-c', '0', String(pid)], { stdio: 'ignore' })
}
