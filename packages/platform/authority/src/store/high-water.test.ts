import assert from 'node:assert/strict'
import { mkdtemp, open, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { hex, isQipError } from '@quantum-ip/base'
import { openHighWater } from './high-water.ts'

let folder = ''
before(async () => (folder = await mkdtemp(join(tmpdir(), 'qip-high-water-'))))
after(() => rm(folder, { recursive: true }))

const mark = (size: number) => ({
  origin: 'acme.example/tokens/1',
  size,
  hash: new Uint8Array(32).fill(size),
})

test('keeps the highest mark over a restart', async () => {
  const file = join(folder, 'a')
  const first = await openHighWater(file)
  await Promise.all([first.raise(mark(1)), first.raise(mark(2)), first.raise(mark(3))])
  await first.close()
  const second = await openHighWater(file)
  const held = second.mark('acme.example/tokens/1')
  assert.equal(held?.size, 3)
  assert.equal(hex(held.hash), hex(mark(3).hash))
  await second.close()
})

test('never goes down', async () => {
  const marks = await openHighWater(join(folder, 'b'))
  await marks.raise(mark(5))
  await assert.rejects(marks.raise(mark(4)), (error) => isQipError(error, 'QIP_AUTHORITY_INVARIANT'))
  await marks.close()
})

test('a torn slot leaves the other one', async () => {
  const file = join(folder, 'c')
  const marks = await openHighWater(file)
  await marks.raise(mark(1))
  await marks.raise(mark(2))
  await marks.close()
  // The second write went to slot 0; tear it in the middle.
  await overwrite(file, 40, 7)
  const again = await openHighWater(file)
  assert.equal(again.mark('acme.example/tokens/1')?.size, 1)
  await again.close()
})

test('refuses a file of which nothing is whole', async () => {
  const file = join(folder, 'd')
  const marks = await openHighWater(file)
  await marks.raise(mark(1))
  await marks.close()
  await overwrite(file, 0, 32_768)
  await assert.rejects(openHighWater(file), (error) => isQipError(error, 'QIP_AUTHORITY_FILE_DAMAGED'))
})

async function overwrite(file: string, at: number, size: number): Promise<void> {
  const handle = await open(file, 'r+')
  await handle.write(new Uint8Array(size).fill(0xff), 0, size, at)
  await handle.close()
}
