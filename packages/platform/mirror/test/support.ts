import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Clock } from '@quantum-ip/base'
import { utf8 } from '@quantum-ip/base'
import {
  generatePrivateKey,
  noteKeyTypes,
  type NoteVerifierKey,
  noteVerifierKey,
  type PrivateKey,
} from '@quantum-ip/crypto'
import {
  emptyRoot,
  type Log,
  memoryLogStorage,
  openLog,
  signCheckpoint,
  type TileLogContents,
  verifyTileLog,
} from '@quantum-ip/log'
import { bundlePath, tilePath } from '@quantum-ip/log'
import type { ObjectStore } from '../src/index.ts'

export const origin = 'acme.example/tokens/1'

/** A directory that is gone after the test. */
export async function folder(): Promise<{ readonly path: string } & AsyncDisposable> {
  const path = await mkdtemp(join(tmpdir(), 'qip-mirror-'))
  return { path, [Symbol.asyncDispose]: async () => await rm(path, { recursive: true, force: true }) }
}

/** A log in memory with a key of its own. */
export interface TestLog {
  readonly origin: string
  readonly log: Log
  readonly vkey: NoteVerifierKey
  readonly key: PrivateKey
  /** Appends `count` entries. */
  grow(count: number, text?: string): Promise<void>
  /** The checkpoint of the tree as it is, or of its first `size` entries. */
  checkpoint(size?: number, timestampS?: number): Promise<string>
}

/** Opens a log; a fork of one has the key of the other. */
export async function testLog(
  options: { readonly origin?: string; readonly key?: PrivateKey } = {},
): Promise<TestLog> {
  const { origin: name = origin, key = generatePrivateKey('ML-DSA-44') } = options
  const log = await openLog({ storage: memoryLogStorage(), origin: name })
  const vkey = noteVerifierKey({ name, type: noteKeyTypes.mlDsa44, key: key.publicKey })
  return {
    origin: name,
    log,
    vkey,
    key,
    async grow(count, text = 'entry') {
      const { size } = log.head()
      const entries = Array.from({ length: count }, (_, at) => utf8(`${text} ${size + at}`))
      for (let at = 0; at < count; at += 1_024) await log.append(entries.slice(at, at + 1_024))
    },
    async checkpoint(size = log.head().size, timestampS = 1_800_000_000) {
      const root = size === 0 ? emptyRoot() : await log.subtreeHash({ start: 0, end: size })
      return signCheckpoint({ origin: name, size, root }, [
        { name, type: noteKeyTypes.mlDsa44, signer: key, timestampS },
      ])
    },
  }
}

/** What a reader finds in a store: verified whole, checkpoint, every entry and every tile. */
export async function verifyPublished(
  store: ObjectStore,
  { vkey }: Pick<TestLog, 'vkey'>,
  prefix = 'tokens/1',
) {
  const need = async (path: string): Promise<Uint8Array> => {
    const bytes = await store.read(`${prefix}/${path}`)
    if (bytes === undefined) throw new Error(`${path} is not there`)
    return bytes
  }
  const contents: TileLogContents & { readCheckpoint(): Promise<Uint8Array> } = {
    readCheckpoint: () => need('checkpoint'),
    readTile: (tile) => need(tilePath(tile)),
    readEntries: (bundle) => need(bundlePath(bundle)),
  }
  return verifyTileLog({ ...contents, vkeys: [vkey] })
}

/** A store in memory that can fail, with a count of writes. */
export interface MemoryStore extends ObjectStore {
  readonly objects: Map<string, Uint8Array>
  /** Called before each write; what it throws is what the write throws. */
  beforeWrite: (path: string) => void
}

/** A store in memory. */
export function memoryStore(): MemoryStore {
  const objects = new Map<string, Uint8Array>()
  const store: MemoryStore = {
    name: 'memory',
    objects,
    beforeWrite: () => undefined,
    read: async (path) => objects.get(path),
    async write(path, bytes) {
      store.beforeWrite(path)
      objects.set(path, Uint8Array.from(bytes))
    },
    async remove(path) {
      objects.delete(path)
    },
  }
  return store
}

/** A clock that stands. */
export function standingClock(ms = 1_800_000_000_000): Clock & { ms: number } {
  return {
    ms,
    now() {
      return this.ms
    },
  }
}
