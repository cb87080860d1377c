import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { directoryStore } from '@quantum-ip/mirror'
import { parseCheckpoint, parseNote } from '@quantum-ip/log'
import { pinsOf, verifierKeyOf } from '@quantum-ip/trust'
import { bundlePath, tilePath, verifyTileLog } from '@quantum-ip/log'
import { mirrorOf, type Running, running, until } from './mirror-support.ts'
import { attest, issue } from './support-beyond.ts'

const child = fileURLToPath(new URL('kill/mirror-child.ts', import.meta.url))

/** Runs a mirror and kills it once it has written so many files more. */
async function killAfter(of: Running, files: number): Promise<void> {
  const { authority, socket, folder } = of
  const told = {
    td: authority.trustDomain,
    pins: pinsOf(authority.root),
    source: `unix:${socket}`,
    directory: join(folder, 'mirror'),
  }
  const mirror = spawn(process.execPath, [child, JSON.stringify(told)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  let seen = 0
  for await (const chunk of mirror.stdout) {
    seen += (chunk as Buffer).length
    if (seen >= files) break
  }
  mirror.kill('SIGKILL')
  if (mirror.exitCode === null && mirror.signalCode === null) await once(mirror, 'exit')
}

/** What lies in the mirror's folder for a log: whole up to its checkpoint, or no checkpoint at all. */
async function verifyFolder({ authority, folder }: Running, origin: string): Promise<number> {
  const store = directoryStore(join(folder, 'mirror', ...origin.split('/').slice(1)))
  const note = await store.read('checkpoint')
  if (note === undefined) return 0
  const need = async (path: string) => (await store.read(path)) ?? new Uint8Array()
  const records = authority.keys.list().filter(({ record }) => record.log === origin)
  await verifyTileLog({
    readCheckpoint: async () => note,
    readTile: (tile) => need(tilePath(tile)),
    readEntries: (bundle) => need(bundlePath(bundle)),
    vkeys: records.map(({ record }) => verifierKeyOf(record)),
    origin,
  })
  return parseCheckpoint(parseNote(note).text).size
}

test('a mirror killed at any file leaves whole logs, and the next one goes on to the end', async () => {
  await using of = await running()
  const { authority } = of
  const origins = [authority.registry.origin, authority.issuer.log.origin]
  const sizes = new Map(origins.map((origin) => [origin, 0]))
  for (const [round, files] of [1, 2, 3, 5, 4, 2, 6].entries()) {
    await attest(authority, of.by, `artifact ${round}`)
    for (let at = 0; at < 30; at++) await Promise.all(Array.from({ length: 10 }, () => issue(authority)))
    await killAfter(of, files)
    for (const origin of origins) {
      const size = await verifyFolder(of, origin)
      assert.ok(size >= (sizes.get(origin) ?? 0), `${origin} went back`)
      sizes.set(origin, size)
    }
  }
  await using mirrored = await mirrorOf(of, `unix:${of.socket}`)
  for (const origin of origins) {
    const { size } = authority.store.highWater.mark(origin) ?? { size: 0 }
    await until(() => (mirrored.mirror.logs.get(origin)?.held?.checkpoint.size ?? 0) >= size)
    assert.ok((await verifyFolder(of, origin)) >= size)
  }
})
