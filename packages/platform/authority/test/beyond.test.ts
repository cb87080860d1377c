import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { verifyEvidence } from '@quantum-ip/attestation'
import { systemClock } from '@quantum-ip/base'
import { openLedger, openTransport } from '@quantum-ip/client'
import { noteVerifierKey, type NoteVerifierKey } from '@quantum-ip/crypto'
import { parseCheckpoint, parseNote, verifyTileLog, bundlePath, tilePath } from '@quantum-ip/log'
import {
  directoryStore,
  ForkReports,
  openWitnessKeys,
  serveWitness,
  Witness,
  type WitnessAddress,
  WitnessStore,
} from '@quantum-ip/mirror'
import { verifierKeyOf } from '@quantum-ip/trust'
import type { Authority } from '../src/index.ts'
import { serveAuthority } from '../src/index.ts'
import { attest, type Attesting, attesting, issue, openIn } from './support-beyond.ts'

interface RunningWitness extends AsyncDisposable {
  readonly address: WitnessAddress
  readonly reports: ForkReports
  /** Stops it, and starts it again on the same port and folder. */
  stop(): Promise<void>
  start(): Promise<void>
}

/** A witness over HTTP that knows the logs of whatever authority is set. */
async function openWitness(
  folder: string,
  at: number,
  authority: () => Authority | undefined,
): Promise<RunningWitness> {
  const place = join(folder, `witness-${at}`)
  const signers = await openWitnessKeys(place, `witness.example/${at}`)
  const [signer] = signers
  assert.ok(signer)
  const vkey = noteVerifierKey({ name: signer.name, type: signer.type, key: signer.signer.publicKey })
  const reports = new ForkReports(directoryStore(join(place, 'forks')), join(place, 'forks'))
  const witness = new Witness({
    signers,
    logs: { keysOf: async (origin) => keysOf(authority(), origin) },
    store: new WitnessStore(directoryStore(join(place, 'seen'))),
    reports,
    clock: systemClock,
  })
  let served = await serveWitness({ witness, listeners: [{ host: '127.0.0.1', port: 0 }] })
  const { port = 0, url = '' } = served.bound[0] ?? {}
  return {
    address: { name: `w${at}`, vkey, url },
    reports,
    stop: () => served.close(),
    async start() {
      served = await serveWitness({ witness, listeners: [{ host: '127.0.0.1', port }] })
    },
    [Symbol.asyncDispose]: () => served.close(),
  }
}

function keysOf(authority: Authority | undefined, origin: string): readonly NoteVerifierKey[] {
  const records = authority?.keys.list().map(({ record }) => record) ?? []
  return records.filter(({ log }) => log === origin).map((record) => verifierKeyOf(record))
}

interface Opened extends AsyncDisposable {
  readonly folder: string
  readonly authority: Authority
  readonly witnesses: readonly RunningWitness[]
  readonly events: string[]
  readonly by: Attesting
}

async function open(quorum: number): Promise<Opened> {
  const folder = await mkdtemp(join(tmpdir(), 'qip-beyond-'))
  const events: string[] = []
  let authority: Authority | undefined
  const witnesses = [
    await openWitness(folder, 1, () => authority),
    await openWitness(folder, 2, () => authority),
  ]
  const by = attesting()
  authority = await openIn(folder, {
    builders: [by.builder],
    ledger: {
      stores: [directoryStore(join(folder, 'tiles'))],
      witnesses: witnesses.map(({ address }) => address),
      quorum,
      intervalMs: 100,
    },
    onEvent: (event) => events.push(event),
  })
  const opened = authority
  return {
    folder,
    authority: opened,
    witnesses,
    events,
    by,
    async [Symbol.asyncDispose]() {
      await opened.close()
      for (const witness of witnesses) await witness[Symbol.asyncDispose]()
      await rm(folder, { recursive: true })
    },
  }
}

async function check({ authority, witnesses, by }: Opened, evidence: string, witnessesMin: number) {
  return verifyEvidence({
    evidence,
    logKeys: keysOf(authority, authority.registry.origin),
    builders: [by.trusted],
    witnessKeys: witnesses.map(({ address }) => address.vkey),
    witnessesMin,
  })
}

test('evidence carries the cosignatures of all witnesses, and holds for who asks for a quorum of them', async () => {
  await using opened = await open(2)
  const evidence = await attest(opened.authority, opened.by)
  assert.deepEqual((await check(opened, evidence, 2)).asOf.vouchers, [
    opened.authority.registry.origin,
    'witness.example/1',
    'witness.example/2',
  ])
  await assert.rejects(check(opened, evidence, 3), { code: 'QIP_ATTESTATION_CHECKPOINT_UNTRUSTED' })
})

test('with the witnesses away what they cosigned stays provable, also after a restart; new attestations wait for them', async () => {
  await using opened = await open(2)
  const { authority, witnesses, by } = opened
  await attest(authority, by)
  await witnesses[1]?.stop()
  await assert.rejects(attest(authority, by, 'second'), { code: 'QIP_MIRROR_QUORUM_MISSING' })
  const first = await authority.registry.find(1, 1)
  await check(opened, first?.evidence ?? '', 2)
  await assert.rejects(authority.registry.find(1, 2), { code: 'QIP_MIRROR_QUORUM_MISSING' })
  assert.ok(opened.events.includes('witness_unavailable'))
  await witnesses[1]?.start()
  for (;;) {
    // Attempts are spaced by two seconds while they fail.
    const evidence = await attest(authority, by, 'second').catch(() => undefined)
    if (evidence === undefined) continue
    await check(opened, evidence, 2)
    break
  }
})

test('what witnesses cosigned is shown after a restart without them', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'qip-beyond-'))
  try {
    let authority: Authority | undefined
    await using witness = await openWitness(folder, 1, () => authority)
    const by = attesting()
    const ledger = { stores: [], witnesses: [witness.address], quorum: 1, intervalMs: 60_000 }
    authority = await openIn(folder, { builders: [by.builder], ledger })
    await attest(authority, by)
    await authority.close()
    await witness.stop()
    authority = await openIn(folder, { builders: [by.builder], ledger })
    const found = await authority.registry.find(1, 1)
    await check({ authority, witnesses: [witness], by } as unknown as Opened, found?.evidence ?? '', 1)
    await authority.close()
    await witness.start()
  } finally {
    await rm(folder, { recursive: true })
  }
})

test('every log is published as tiles that verify whole, cosigned, and checkpoints over HTTP carry the cosignatures', async () => {
  await using opened = await open(1)
  const { authority, folder, witnesses, by } = opened
  await attest(authority, by)
  await issue(authority)
  const served = await serveAuthority({ authority, listeners: [{ host: '127.0.0.1', port: 0 }] })
  await using transport = openTransport({ url: served.bound[0]?.url ?? '' })
  const store = directoryStore(join(folder, 'tiles'))
  const need = async (path: string): Promise<Uint8Array> => (await store.read(path)) ?? new Uint8Array()
  for (const origin of [authority.registry.origin, authority.issuer.log.origin]) {
    const name = origin.split('/').slice(1).join('/')
    const { size } = authority.store.highWater.mark(origin) ?? { size: 0 }
    const sizeIn = async () => {
      const note = Buffer.from(await need(`${name}/checkpoint`)).toString()
      return note === '' ? 0 : parseCheckpoint(parseNote(note).text).size
    }
    while ((await sizeIn()) < size);
    const logKeys = keysOf(authority, origin)
    const verified = await verifyTileLog({
      readCheckpoint: () => need(`${name}/checkpoint`),
      readTile: (tile) => need(`${name}/${tilePath(tile)}`),
      readEntries: (bundle) => need(`${name}/${bundlePath(bundle)}`),
      vkeys: logKeys,
      origin,
    })
    assert.ok(verified.size >= size)
    const witnessKeys = witnesses.map(({ address }) => address.vkey)
    const ledger = openLedger(transport, { origin, logKeys, witnessKeys, witnessesMin: 2 })
    assert.ok((await ledger.checkpoint()).size >= size)
  }
  await served.close()
})

test('a witness that was shown another view refuses, keeps the proof, and the authority says so', async () => {
  await using opened = await open(1)
  const { authority, witnesses, by } = opened
  await attest(authority, by)
  const { registry } = authority
  // Somebody with the log's key shows the second witness a longer log of his own making.
  const held = authority.keys.list().find(({ record }) => record.log === registry.origin)
  const signer = await authority.keys.signer(held?.record.key.kid ?? '')
  const other = await by.forkOf(registry.ledger.log, signer, 5)
  const url = witnesses[1]?.address.url ?? ''
  const answer = await fetch(`${url}/add-checkpoint`, { method: 'POST', body: other })
  assert.equal(answer.status, 200, await answer.text())
  await attest(authority, by, 'second')
  assert.ok(opened.events.includes('log_split_view'), opened.events.join(' '))
})
