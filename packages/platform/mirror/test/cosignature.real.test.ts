import assert from 'node:assert/strict'
import { fileURLToPath } from 'node:url'
import { join } from 'node:path'
import { test } from 'node:test'
import { utf8 } from '@quantum-ip/base'
import { formatVkey, noteVerifierKey, parseVkey } from '@quantum-ip/crypto'
import { parseNote, verifyCheckpoint } from '@quantum-ip/log'
import { needComponent, runComponent } from '../../../../scripts/real-components.ts'
import {
  directoryStore,
  ForkReports,
  formatSubmission,
  openWitnessKeys,
  Witness,
  WitnessStore,
} from '../src/index.ts'
import { folder, memoryStore, standingClock, testLog } from './support.ts'

const go = await needComponent('go')
const program = fileURLToPath(new URL('interop', import.meta.url))

interface Found {
  readonly verified: readonly string[]
  readonly vkeys: readonly string[]
  readonly cosigned: string
}

test(
  'checkpoint and both cosignatures hold for the Go implementation of C2SP, and its cosignatures hold here',
  { skip: go.skip },
  async (t) => {
    await using place = await folder()
    const log = await testLog()
    await log.grow(300)
    const signers = await openWitnessKeys(place.path, 'witness.example/1')
    const witness = new Witness({
      signers,
      logs: { keysOf: async () => [log.vkey] },
      store: new WitnessStore(memoryStore()),
      reports: new ForkReports(directoryStore(join(place.path, 'forks')), join(place.path, 'forks')),
      clock: standingClock(),
    })
    const note = await log.checkpoint()
    const cosigned = note + (await witness.addCheckpoint(utf8(formatSubmission({ old: 0, proof: [], note }))))
    const keys = signers.map(({ name, type, signer }) =>
      noteVerifierKey({ name, type, key: signer.publicKey }),
    )
    const input = JSON.stringify({ note: cosigned, vkeys: [log.vkey, ...keys].map((key) => formatVkey(key)) })
    const { status, stdout, stderr } = await runComponent(go, ['run', '-C', program, '.'], {
      input,
      timeoutMs: 300_000,
    })
    if (status !== 0 && /proxy|dial|lookup/.test(stderr))
      return t.skip(`its modules cannot be had: ${stderr.slice(0, 200)}`)
    assert.equal(status, 0, stderr)
    const found = JSON.parse(stdout.toString()) as Found
    assert.deepEqual(found.verified, [log.origin, 'witness.example/1', 'witness.example/1'])
    assert.equal(parseNote(found.cosigned).text, parseNote(note).text)
    const { signatures } = await verifyCheckpoint({
      note: found.cosigned,
      origin: log.origin,
      logKeys: [log.vkey],
      witnessKeys: found.vkeys.map((vkey) => parseVkey(vkey)),
      witnessesMin: 2,
    })
    assert.equal(signatures.length, 3)
  },
)
