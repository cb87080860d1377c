import assert from 'node:assert/strict'
import { chmod, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { createTestDomain } from '../../../core/verifier/test/fixture.ts'
import { partsOf } from '../test/parts-of.ts'
import { openEdgeStateWriter } from './edge-state-writer.ts'

async function folder(t: TestContext): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'qip-edge-state-'))
  t.after(() => rm(directory, { recursive: true, force: true }))
  return directory
}

/** What the current generation of a folder holds, by the names that a fresh one would have. */
async function readParts(directory: string): Promise<Map<string, string>> {
  const state = await readFile(join(directory, 'state'), 'utf8')
  const { generation } = JSON.parse(state) as { generation: string }
  const names = await readdir(join(directory, generation), { recursive: true, withFileTypes: true })
  const parts = new Map([['state', state.replace(generation, 'g')]])
  for (const entry of names.filter((one) => one.isFile())) {
    const path = join(entry.parentPath, entry.name)
    parts.set(path.replace(join(directory, generation), 'g'), await readFile(path, 'utf8'))
  }
  return new Map([...parts].sort(([a], [b]) => a.localeCompare(b)))
}

function sorted(parts: Map<string, string>): Map<string, string> {
  return new Map([...parts].sort(([a], [b]) => a.localeCompare(b)))
}

test('step by step the folder holds what a fresh one would, and nothing else', async (t) => {
  const directory = await folder(t)
  const domain = await createTestDomain()
  await domain.issue([{}, {}, {}])
  await using writer = await openEdgeStateWriter({ store: domain.store, directory })
  const same = async (): Promise<void> => {
    await writer.write()
    assert.deepEqual(await readParts(directory), sorted(partsOf(domain.store)))
  }
  await same()
  await domain.issue([{}, {}])
  await domain.revoke({ kind: 'identity', value: domain.web, expires: domain.nowS() + 100 })
  await same()
  await domain.revoke({ kind: 'token', log: domain.log.origin, value: '2' })
  await domain.rotate()
  await domain.issue([{}])
  await same()
  await domain.advance(101_000)
  await same()
  const before = (await readParts(directory)).size
  await domain.advance(400_000)
  await writer.write()
  assert.ok((await readParts(directory)).size < before, 'expired heads are gone')
})

test('writes by itself when a state takes effect', async (t) => {
  const directory = await folder(t)
  const domain = await createTestDomain()
  await using writer = await openEdgeStateWriter({ store: domain.store, directory })
  await domain.revoke({ kind: 'identity', value: domain.web })
  await writer.close()
  const state = JSON.parse(await readFile(join(directory, 'state'), 'utf8')) as { epoch: number }
  assert.equal(state.epoch, 1)
})

test('begins anew after an attempt that failed, and goes on', async (t) => {
  const directory = await folder(t)
  const domain = await createTestDomain()
  const errors: Error[] = []
  await using writer = await openEdgeStateWriter({
    store: domain.store,
    directory,
    onError: (error) => errors.push(error),
  })
  const { generation } = JSON.parse(await readFile(join(directory, 'state'), 'utf8')) as {
    generation: string
  }
  await rm(join(directory, generation), { recursive: true, force: true })
  await writeFile(join(directory, generation), 'in the way')
  await domain.issueOne()
  await writer.write()
  await writer.write()
  assert.ok(errors.length > 0)
  await writer.write()
  assert.deepEqual(await readParts(directory), sorted(partsOf(domain.store)))
})

test('does not write into a folder that anybody may write into', async (t) => {
  const directory = await folder(t)
  await chmod(directory, 0o777)
  const domain = await createTestDomain()
  const opening = openEdgeStateWriter({ store: domain.store, directory })
  await assert.rejects(opening, { code: 'QIP_INPROXY_DIRECTORY_OPEN' })
})
