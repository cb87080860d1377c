import { mkdir, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { noteKeyTypes, type PrivateKey } from '@quantum-ip/crypto'
import {
  bundlePath,
  formatEntryBundle,
  memoryLogStorage,
  openLog,
  signCheckpoint,
  tilePath,
} from '@quantum-ip/log'

/** Writes a log of `size` entries as tiles (c2sp.org/tlog-tiles), its checkpoint signed by an ML-DSA-44 and an Ed25519 key. */
export async function writeTileLog(
  folder: string,
  log: {
    readonly origin: string
    readonly size: number
    readonly mlDsa: PrivateKey
    readonly ed25519?: PrivateKey
  },
): Promise<void> {
  const { origin, size, mlDsa, ed25519 } = log
  const tree = await openLog({ storage: memoryLogStorage(), origin })
  const entries = Array.from({ length: size }, (_, index) => Buffer.from(`entry ${index}`))
  for (let at = 0; at < size; at += 1_000) await tree.append(entries.slice(at, at + 1_000))
  for (let level = 0, width = size; width > 0; level++, width = Math.floor(width / 256)) {
    for (let index = 0; index * 256 < width; index++) {
      const tile = { level, index, width: Math.min(256, width - index * 256) }
      await write(join(folder, tilePath(tile)), await tree.tile(level, index, tile.width))
    }
  }
  for (let index = 0; index * 256 < size; index++) {
    const width = Math.min(256, size - index * 256)
    const bundle = formatEntryBundle(entries.slice(index * 256, index * 256 + width))
    await write(join(folder, bundlePath({ index, width })), bundle)
  }
  const { root } = tree.head()
  const signers = [
    { name: origin, type: noteKeyTypes.mlDsa44, signer: mlDsa },
    ...(ed25519 === undefined ? [] : [{ name: origin, type: noteKeyTypes.ed25519, signer: ed25519 }]),
  ]
  await write(join(folder, 'checkpoint'), Buffer.from(await signCheckpoint({ origin, size, root }, signers)))
}

async function write(file: string, bytes: Uint8Array): Promise<void> {
  await mkdir(dirname(file), { recursive: true })
  await writeFile(file, bytes)
}
