import { createHash } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Lab } from './lab.ts'
import type { LabAuthority } from './lab-authority.ts'

/** The builder of the drills. */
export const builder = 'https://ci.gameday.example/release'

/** Signs and logs a build. @returns its digest, hexadecimal */
export type Attest = (content: string) => Promise<string>

/** A pipeline with keys of its own, registered at the authority. */
export async function openPipeline(lab: Lab, authority: LabAuthority): Promise<Attest> {
  const asked = ['--authority', `unix:${authority.socket}`]
  const keys = join(lab.folder, 'builder')
  await lab.qip(['attest', '--new-keys', keys])
  const files = ['ml-dsa-65', 'ed25519'].map((alg) => join(keys, `builder-${alg}`))
  await lab.qip(['keys', 'register', builder, ...files.map((file) => `${file}.public.jwk`), ...asked])
  const signing = files.flatMap((file) => ['--key', `${file}.private.jwk`])
  const source = ['--source', 'git+https://git.gameday.example/drill', '--ref', 'refs/heads/main']
  const commit = ['--commit', '0'.repeat(40)]
  return async (content) => {
    const artifact = join(lab.folder, 'build.tgz')
    await writeFile(artifact, content)
    await lab.qip(['attest', artifact, '--builder', builder, ...source, ...commit, ...signing, ...asked])
    return createHash('sha256').update(content).digest('hex')
  }
}
