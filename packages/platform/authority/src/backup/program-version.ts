import { readFileSync } from 'node:fs'

/** The version of this program, for what it writes. */
export const programVersion = (
  JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
    readonly version: string
  }
).version
