import assert from 'node:assert/strict'
import { PassThrough, Readable } from 'node:stream'
import { test } from 'node:test'
import type { JsonObject } from '@quantum-ip/base'
import { Output } from './output.ts'
import { readRotation, rotationLines } from './rotation.ts'

const member = (point: string, standing: string): JsonObject => ({
  point,
  kind: 'gateway',
  sid: `spiffe://acme.example/${point}`,
  standing,
  leaseMs: 61_000,
  seenMs: 1_000,
})

const waiting: JsonObject = {
  rotation: { number: 7, use: 'qip-token', phase: 'waiting', startedMs: 0, heldMs: 4_000 },
  gate: {
    acknowledged: 1,
    needed: 2,
    detail: 'waits for far',
    members: [member('near', 'acknowledged'), member('far', 'behind')],
  },
}

test('shows who is waited for first, since when, until when, and how to take it back', () => {
  const lines = rotationLines(readRotation(waiting), 5_000).map((words) =>
    words.map((word) => (typeof word === 'string' ? word : word.text)).join(' '),
  )
  assert.deepEqual(lines, [
    'rotation 7 of qip-token 1 of 2 members, needs 2 5 s held: the time limit is over',
    '   far  gateway  does not hold the new key yet heard 4 s ago, leaves in 56 s',
    '   near gateway  holds the new key',
    '  to take it back: qip keys rollback --use qip-token   (ctrl-c only ends this view)',
  ])
})

test('draws over what it drew on a terminal, and takes it away at the end', () => {
  let drawn = ''
  const stderr = new PassThrough().on('data', (chunk: Buffer) => {
    drawn += chunk.toString()
  })
  const io = {
    stdin: Readable.from([]),
    stdout: new PassThrough(),
    stderr,
    isTerminal: false,
    showsProgress: true,
  }
  const output = new Output(io)
  output.live([['one'], ['two']])
  output.live([['three']])
  output.liveDone()
  assert.equal(drawn, 'one\ntwo\n\u001b[2A\r\u001b[Jthree\n\u001b[1A\r\u001b[J')
})
