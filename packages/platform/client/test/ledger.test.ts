import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isQipError, utf8 } from '@quantum-ip/base'
import { generatePrivateKey, noteKeyTypes, noteVerifierKey } from '@quantum-ip/crypto'
import {
  type Log,
  memoryLogStorage,
  openLog,
  parseTilePath,
  signCheckpoint,
  verifyTileLog,
} from '@quantum-ip/log'
import { fetchTile, openLedger } from '../src/index.ts'
import { TestAuthority } from './support/authority.ts'
import { connect } from './support/client.ts'
import { RecordedDomain } from './support/domain.ts'

// The authority of these tests is a small HTTP server that serves tiles of a real log in memory.

const origin = 'acme.example/attestations/1'
const signer = generatePrivateKey('ML-DSA-44')
const logKey = noteVerifierKey({ name: origin, type: noteKeyTypes.mlDsa44, key: signer.publicKey })
const authority = new TestAuthority(await RecordedDomain.open())
await authority.listen()
const transport = connect(authority, { attemptsMax: 1 })
test.after(async () => {
  await transport.close()
  await authority.stop()
})

const storage = memoryLogStorage()
const log = await openLog({ storage, origin, genesis: true })
const entry = (index: number) => utf8(`entry ${index}`)
/** Tiles that the server does not have any more, and those that it has changed. */
const gone = new Set<string>()
const changed = new Map<string, Buffer>()

async function serve(log: Log, size: number): Promise<void> {
  const root = await log.subtreeHash({ start: 0, end: size })
  const note = await signCheckpoint({ origin, size, root }, [
    { name: origin, type: noteKeyTypes.mlDsa44, signer },
  ])
  authority.routes.set('GET /logs/attestations/1/checkpoint', () => ({ type: 'text/plain', raw: note }))
}

async function partOf(path: string): Promise<Buffer> {
  const part = parseTilePath(path)
  const { index, width } = part
  if (part.kind === 'tile') return Buffer.from(await log.tile(part.level, index, width))
  return Buffer.from(await storage.readEntries(index * 256, index * 256 + width))
}

authority.fallback = async ({ path }) => {
  const part = path.replace('/logs/attestations/1/', '')
  if (gone.has(part)) return authority.problem(404, 'QIP_AUTHORITY_NOT_FOUND', 'no such tile')
  return { type: 'application/octet-stream', bytes: changed.get(part) ?? (await partOf(part)) }
}

await log.append(Array.from({ length: 599 }, (_, at) => entry(at + 1)))
await serve(log, 600)
const options = { origin, logKeys: [logKey] }

test('reads a checkpoint that the log has signed, and no other', async () => {
  const checkpoint = await openLedger(transport, options).checkpoint()
  assert.equal(checkpoint.size, 600)
  assert.deepEqual(checkpoint.root, log.head().root)
  const stranger = generatePrivateKey('ML-DSA-44').publicKey
  const otherKey = noteVerifierKey({ name: origin, type: noteKeyTypes.mlDsa44, key: stranger })
  const cases = [
    [{ origin, logKeys: [otherKey] }, 'QIP_LOG_CHECKPOINT_UNSIGNED'],
    [{ ...options, witnessesMin: 1 }, 'QIP_LOG_QUORUM_MISSING'],
  ] as const
  for (const [changes, code] of cases) {
    await assert.rejects(openLedger(transport, changes).checkpoint(), (error) => isQipError(error, code))
  }
})

test('proves entries with nothing but tiles', async () => {
  const ledger = openLedger(transport, options)
  const checkpoint = await ledger.checkpoint()
  for (const index of [1, 255, 256, 511, 512, 599]) {
    const proven = await ledger.entry(index, checkpoint)
    assert.deepEqual(Buffer.from(proven.entry), Buffer.from(entry(index)))
    assert.deepEqual(proven.proof, await log.inclusionProof(index, 600))
  }
  await assert.rejects(ledger.entry(600, checkpoint), (error) => isQipError(error, 'QIP_LOG_OUT_OF_RANGE'))
})

test('proves that an older checkpoint is the beginning of the newest, or that it is not', async () => {
  const ledger = openLedger(transport, options)
  const newer = await ledger.checkpoint()
  for (const size of [1, 256, 300, 600]) {
    const older = { origin, size, root: await log.subtreeHash({ start: 0, end: size }) }
    assert.deepEqual(await ledger.consistency(older, newer), await log.consistencyProof(size, 600))
    const forged = { ...older, root: new Uint8Array(32) }
    await assert.rejects(ledger.consistency(forged, newer), (error) =>
      isQipError(error, 'QIP_LOG_PROOF_MISMATCH'),
    )
  }
  await assert.rejects(ledger.consistency({ ...newer, size: 601 }, newer), (error) =>
    isQipError(error, 'QIP_LOG_OUT_OF_RANGE'),
  )
})

test('takes the full tile where the partial one is gone', async () => {
  gone.add('tile/0/000.p/40')
  const tile = await fetchTile(transport, origin, { level: 0, index: 0, width: 40 })
  assert.deepEqual(Buffer.from(tile), Buffer.from(await log.tile(0, 0, 256)))
  gone.add('tile/0/000')
  await assert.rejects(fetchTile(transport, origin, { level: 0, index: 0, width: 40 }), (error) =>
    isQipError(error, 'QIP_CLIENT_AUTHORITY_REFUSED'),
  )
  gone.clear()
})

test('a server that changes tiles or entries proves nothing', async () => {
  const ledger = openLedger(transport, options)
  const checkpoint = await ledger.checkpoint()
  for (const path of ['tile/0/000', 'tile/0/002.p/88', 'tile/1/000.p/2', 'tile/entries/000']) {
    const bytes = await partOf(path)
    bytes[25] = (bytes[25] as number) ^ 1
    changed.set(path, bytes)
    const index = path.includes('002') ? 599 : 3
    await assert.rejects(
      ledger.entry(index, checkpoint),
      (error) => isQipError(error, 'QIP_LOG_CORRUPT'),
      path,
    )
    changed.clear()
  }
})

test('a log is verified whole by what is served', async () => {
  const contents = openLedger(transport, options).contents()
  const checkpoint = await verifyTileLog({ ...contents, vkeys: [logKey], origin })
  assert.equal(checkpoint.size, 600)
})

test('refuses an origin that names no path', () => {
  for (const name of ['acme.example', 'acme.example/../x', 'acme.example/a?b', 'acme.example/']) {
    assert.throws(() => openLedger(transport, { ...options, origin: name }), TypeError, name)
  }
})
