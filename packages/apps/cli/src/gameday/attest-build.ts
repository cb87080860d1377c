import { createHash } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Lab } from './lab.ts'
import type { LabAuthority } from './lab-authority.ts'

/** The builder of the drills. */
export const builder = 'https://ci.gameday.example/release'

/** Signs and logs a build, from the drill's own repository unless another one is named. @returns its digest, hexadecimal */
export type Attest = (content: string, source?: string) => Promise<string>

/** Where the evidence of the last build is written, in the folder of the lab. */
export const evidenceFile = 'build.evidence.json'

/** A pipeline with keys of its own, registered at the authority. */
export async function openPipeline(lab: Lab, authority: LabAuthority): Promise<Attest> {
  const asked = ['--authority', `unix:${authority.socket}`]
  const keys = join(lab.folder, 'builder')
  await lab.qip(['attest', '--new-keys', keys])
  const files = ['ml-dsa-65', 'ed25519'].map((alg) => join(keys, `builder-${alg}`))
  await lab.qip(['keys', 'register', builder, ...files.map((file) => `${file}.public.jwk`), ...asked])
  const signing = files.flatMap((file) => ['--key', `${file}.private.jwk`])
  const named = ['--builder', builder, '--ref', 'refs/heads/main', '--commit', '0'.repeat(40)]
  const out = ['--out', join(lab.folder, evidenceFile)]
  return async (content, source = 'git+https://git.gameday.example/drill') => {
    const artifact = join(lab.folder, 'build.tgz')
    await writeFile(artifact, content)
    await lab.qip(['attest', artifact, ...named, '--source', source, ...out, ...signing, ...asked])
    return createHash('sha256').update(content).digest('hex')
  }
}
