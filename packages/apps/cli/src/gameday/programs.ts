import { accessSync, constants, readdirSync } from 'node:fs'
import { delimiter, join } from 'node:path'

// What has the program on Debian and its heirs.
const packages = {
  nginx: 'nginx',
  haproxy: 'haproxy',
  faketime: 'faketime',
  'redis-server': 'redis-server',
  postgres: 'postgresql',
  prlimit: 'util-linux',
} as const

/** The programs of the distribution that drills start. */
export type ProgramName = keyof typeof packages

/** The Debian package that has a program. */
export function packageOf(name: ProgramName): string {
  return packages[name]
}

// Servers lie where only root's path leads, those of PostgreSQL in a folder for each version.
function folders(): readonly string[] {
  const versions = '/usr/lib/postgresql'
  return [
    ...(process.env['PATH'] ?? '').split(delimiter),
    '/usr/local/sbin',
    '/usr/sbin',
    '/sbin',
    ...namesIn(versions).map((version) => join(versions, version, 'bin')),
  ]
}

/** The absolute path of a program, `undefined` where it is not installed. */
export function findProgram(name: string): string | undefined {
  return folders()
    .map((folder) => join(folder, name))
    .find((path) => isExecutable(path))
}

function namesIn(folder: string): readonly string[] {
  try {
    return readdirSync(folder).sort((one, other) => Number(other) - Number(one))
  } catch {
    return []
  }
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}
