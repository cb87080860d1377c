import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { utf8 } from '@quantum-ip/base'
import { noteVerifierKey } from '@quantum-ip/crypto'
import { parseCheckpoint, parseNote, verifyCheckpoint } from '@quantum-ip/log'
import * as fc from 'fast-check'
import {
  directoryStore,
  ForkReports,
  formatSubmission,
  openWitnessKeys,
  originHash,
  serveWitness,
  Witness,
  WitnessStore,
} from '../src/index.ts'
import { folder, memoryStore, standingClock, type TestLog, testLog } from './support.ts'

type Signers = Awaited<ReturnType<typeof openWitnessKeys>>

interface Opened extends AsyncDisposable {
  readonly witness: Witness
  readonly signers: Signers
  readonly reports: ForkReports
  readonly url: string
  submit(body: string): Promise<{ readonly status: number; readonly type: string; readonly text: string }>
}

/** A witness over real HTTP that knows the logs given. */
async function openWitness(place: string, logs: readonly TestLog[]): Promise<Opened> {
  const signers = await openWitnessKeys(place, 'witness.example/1')
  const reports = new ForkReports(directoryStore(join(place, 'forks')), join(place, 'forks'))
  const witness = new Witness({
    signers,
    logs: { keysOf: async (origin) => logs.filter((log) => log.origin === origin).map(({ vkey }) => vkey) },
    store: new WitnessStore(directoryStore(join(place, 'seen'))),
    reports,
    clock: standingClock(),
  })
  const served = await serveWitness({ witness, listeners: [{ host: '127.0.0.1', port: 0 }] })
  const url = served.bound[0]?.url ?? ''
  return {
    witness,
    signers,
    reports,
    url,
    async submit(body) {
      const response = await fetch(`${url}/add-checkpoint`, { method: 'POST', body })
      return {
        status: response.status,
        type: response.headers.get('content-type') ?? '',
        text: await response.text(),
      }
    },
    [Symbol.asyncDispose]: () => served.close(),
  }
}

async function submission(log: TestLog, old: number, size = log.log.head().size): Promise<string> {
  const proof = old === 0 || old >= size ? [] : await log.log.consistencyProof(old, size)
  return formatSubmission({ old, proof, note: await log.checkpoint(size) })
}

describe('a witness', () => {
  test('cosigns what extends the log, with both of its keys, and shows it', async () => {
    await using place = await folder()
    const log = await testLog()
    await using opened = await openWitness(place.path, [log])
    for (const [old, grown] of [
      [0, 3],
      [3, 300],
      [303, 1],
    ] as const) {
      await log.grow(grown)
      const note = await log.checkpoint()
      const answer = await opened.submit(await submission(log, old))
      assert.equal(answer.status, 200)
      for (const { name, type, signer } of opened.signers) {
        const vkey = noteVerifierKey({ name, type, key: signer.publicKey })
        const trust = { origin: log.origin, logKeys: [log.vkey], witnessKeys: [vkey], witnessesMin: 1 }
        const { signatures } = await verifyCheckpoint({ note: note + answer.text, ...trust })
        assert.equal(signatures.find(({ key }) => key === vkey)?.timestampS, 1_800_000_000)
        const shown = await fetch(`${opened.url}/${originHash(log.origin)}/checkpoint`)
        assert.equal(
          (await verifyCheckpoint({ note: await shown.text(), ...trust })).size,
          log.log.head().size,
        )
      }
    }
  })

  const refusals: readonly (readonly [
    title: string,
    status: number,
    body: (log: TestLog) => Promise<string>,
  ])[] = [
    [
      'an old size above the checkpoint',
      400,
      async (log) => formatSubmission({ old: 9, proof: [], note: await log.checkpoint(5) }),
    ],
    ['no old line', 400, async (log) => `\n${await log.checkpoint()}`],
    ['an old size with a leading zero', 400, async (log) => `old 05\n\n${await log.checkpoint()}`],
    ['no empty line', 400, async () => 'old 0\n'],
    ['a hash that is none', 400, async (log) => `old 5\nAAAA\n\n${await log.checkpoint()}`],
    [
      '64 hashes',
      400,
      async (log) =>
        formatSubmission({
          old: 5,
          proof: Array.from({ length: 64 }, () => new Uint8Array(32)),
          note: await log.checkpoint(),
        }),
    ],
    ['no note', 400, async () => 'old 0\n\nhello\n'],
    ['nothing', 400, async () => ''],
    ['an unknown log', 404, async () => submission(await grown('acme.example/tokens/9'), 0)],
    ['a log key that is not the log’s', 403, async () => submission(await grown(), 5)],
    ['a size that is not the witnessed one', 409, async (log) => submission(log, 3)],
    ['nothing witnessed, which is not so', 409, async (log) => submission(log, 0)],
    ['no proof', 422, async (log) => formatSubmission({ old: 5, proof: [], note: await log.checkpoint() })],
    [
      'a wrong proof',
      422,
      async (log) => formatSubmission({ old: 5, proof: [new Uint8Array(32)], note: await log.checkpoint() }),
    ],
    ['another tree of the same size', 422, async (log) => submission(await fork(log, 5), 5)],
    ['another tree that does not extend it', 422, async (log) => submission(await fork(log, 9), 5)],
  ]
  for (const [title, status, body] of refusals) {
    test(`refuses ${title} with ${status}, and remembers what it had seen`, async () => {
      await using place = await folder()
      const log = await testLog()
      await log.grow(5)
      await using opened = await openWitness(place.path, [log])
      assert.equal((await opened.submit(await submission(log, 0))).status, 200)
      await log.grow(3)
      const answer = await opened.submit(await body(log))
      assert.equal(answer.status, status, answer.text)
      if (status === 409) assert.deepEqual([answer.type, answer.text], ['text/x.tlog.size', '5\n'])
      assert.equal((await opened.submit(await submission(log, 5))).status, 200)
    })
  }

  test('keeps both signed checkpoints of a split view, once, and says whether they prove it by themselves', async () => {
    await using place = await folder()
    const log = await testLog()
    await log.grow(5)
    await using opened = await openWitness(place.path, [log])
    await opened.submit(await submission(log, 0))
    for (const size of [5, 9, 5]) await opened.submit(await submission(await fork(log, size), 5))
    const reports = await opened.reports.list()
    const found = reports.map(({ proven, held, offered }) => `${proven} ${sizeOf(held)} ${sizeOf(offered)}`)
    assert.deepEqual(new Set(found), new Set(['true 5 5', 'false 5 9']))
    assert.equal(reports.length, 2)
    for (const { held, offered } of reports) {
      for (const note of [held, offered])
        await verifyCheckpoint({ note, origin: log.origin, logKeys: [log.vkey] })
    }
  })

  test('takes a checkpoint of the empty log, and the same one again', async () => {
    await using place = await folder()
    const log = await testLog()
    await using opened = await openWitness(place.path, [log])
    assert.equal((await opened.submit(await submission(log, 0))).status, 200)
    await log.grow(2)
    for (const old of [0, 2]) assert.equal((await opened.submit(await submission(log, old))).status, 200)
  })

  test('has its keys, its name and what it saw after a restart, and refuses to be another one', async () => {
    await using place = await folder()
    const log = await testLog()
    await log.grow(5)
    {
      await using opened = await openWitness(place.path, [log])
      assert.equal((await opened.submit(await submission(log, 0))).status, 200)
    }
    await using again = await openWitness(place.path, [log])
    assert.equal((await again.submit(await submission(log, 0))).status, 409)
    await assert.rejects(openWitnessKeys(place.path, 'witness.example/2'), {
      code: 'QIP_MIRROR_FILE_MALFORMED',
    })
  })

  test('cosigns nothing on top of a damaged memory', async () => {
    await using place = await folder()
    const log = await testLog()
    await log.grow(5)
    await using opened = await openWitness(place.path, [log])
    await opened.submit(await submission(log, 0))
    await writeFile(join(place.path, 'seen', 'logs', originHash(log.origin), 'checkpoint'), 'old')
    await assert.rejects(opened.witness.addCheckpoint(utf8(await submission(log, 0))), {
      code: 'QIP_MIRROR_FILE_MALFORMED',
    })
  })

  test('lets one of many that submit at once from the same size through, and the others are told the size', async () => {
    await using place = await folder()
    const log = await testLog()
    await log.grow(40)
    await using opened = await openWitness(place.path, [log])
    const bodies = await Promise.all([5, 10, 15, 20, 25].map((size) => submission(log, 0, size)))
    const answers = await Promise.all(bodies.map((body) => opened.submit(body)))
    assert.equal(answers.filter(({ status }) => status === 200).length, 1)
    assert.equal(answers.filter(({ status }) => status === 409).length, 4)
  })

  test('never cosigns two views that do not extend each other, whatever is submitted and whenever writing fails', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(
          fc.record({
            side: fc.boolean(),
            old: fc.nat(12),
            size: fc.nat(12),
            fails: fc.integer({ min: 0, max: 9 }),
          }),
          {
            maxLength: 25,
          },
        ),
        async (steps) => {
          const log = await testLog()
          await log.grow(12)
          const other = await fork(log, 12)
          const store = memoryStore()
          await using place = await folder()
          const witness = new Witness({
            signers: signers(log),
            logs: { keysOf: async () => [log.vkey] },
            store: new WitnessStore(store),
            reports: new ForkReports(memoryStore(), place.path),
            clock: standingClock(),
          })
          const seen: Record<'true' | 'false', number[]> = { true: [], false: [] }
          for (const { side, old, size, fails } of steps) {
            let writes = 0
            store.beforeWrite = () => {
              if (writes++ === fails) throw new TypeError('disk')
            }
            const view = side ? log : other
            const body = utf8(await submission(view, old, size))
            const done = await witness.addCheckpoint(body).then(
              () => true,
              () => false,
            )
            if (done) seen[`${side}`].push(size)
          }
          // The views are equal up to 4 entries, and differ in the fifth.
          assert.ok(Math.max(0, ...seen.true) <= 4 || Math.max(0, ...seen.false) <= 4, JSON.stringify(seen))
        },
      ),
      { numRuns: 40 },
    )
  })
})

function signers(log: TestLog): Signers {
  return [{ name: 'witness.example/1', type: log.vkey.type, signer: log.key }]
}

async function grown(origin?: string): Promise<TestLog> {
  const log = await testLog(origin === undefined ? {} : { origin })
  await log.grow(8)
  return log
}

/** Another view of a log: the same beginning of four entries, and other ones from there on. */
async function fork(log: TestLog, size: number): Promise<TestLog> {
  const other = await testLog({ key: log.key })
  await other.grow(4)
  await other.grow(size - 4, 'forked')
  return other
}

function sizeOf(note: string): number {
  return parseCheckpoint(parseNote(note).text).size
}
