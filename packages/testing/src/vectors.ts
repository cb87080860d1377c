import { existsSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { gunzipSync } from 'node:zlib'

const folder = path.resolve(import.meta.dirname, '../../../../shared/vectors')

/** The absolute path of the folder with other projects' test vectors, or `undefined` where it is absent. */
export function vectorsFolder(): string | undefined {
  return existsSync(folder) ? folder : undefined
}

/**
 * What to give as `skip` to a test that needs vectors: `false` where they are, else the reason.
 *
 * @example
 * test('accepts what it must', { skip: skipWithoutVectors('wycheproof') }, () => {})
 */
export function skipWithoutVectors(subfolder = ''): string | false {
  return existsSync(path.join(folder, subfolder)) ? false : `no vectors in ../shared/vectors/${subfolder}`
}

/**
 * Reads one file of vectors, `.json` or `.json.gz`.
 *
 * @param name path below the vectors folder, with or without its ending: `wycheproof/ed25519_test`
 * @throws if there is no such file.
 */
export function readVectors(name: string): unknown {
  const found = [name, `${name}.json`, `${name}.json.gz`]
    .filter((candidate) => /\.json(?:\.gz)?$/.test(candidate))
    .map((candidate) => path.join(folder, candidate))
    .find((candidate) => existsSync(candidate))
  if (found === undefined) throw new Error(`no vectors \`${name}\` in ${folder}`)
  const bytes = readFileSync(found)
  return JSON.parse((found.endsWith('.gz') ? gunzipSync(bytes) : bytes).toString('utf8')) as unknown
}
