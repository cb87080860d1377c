import assert from 'node:assert/strict'
import { hash } from 'node:crypto'
import { test } from 'node:test'
import { sha256Parts } from './sha256.ts'

test('hashes like the platform at every length around the edges of blocks, however the parts are cut', () => {
  const bytes = Uint8Array.from({ length: 300 }, (_, at) => (at * 167) % 256)
  for (let size = 0; size <= 300; size++) {
    const message = bytes.subarray(0, size)
    const parts = [
      message.subarray(0, size / 3),
      message.subarray(size / 3, size / 2),
      message.subarray(size / 2),
    ]
    assert.equal(Buffer.from(sha256Parts(parts)).toString('hex'), hash('sha256', message), `${size} bytes`)
  }
})

test('hashes the example of FIPS 180-4', () => {
  const abc = Buffer.from(sha256Parts([new Uint8Array([0x61, 0x62, 0x63])])).toString('hex')
  assert.equal(abc, 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad')
})
