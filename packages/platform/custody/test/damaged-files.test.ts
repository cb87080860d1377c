import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, beforeEach, test } from 'node:test'
import { inspect } from 'node:util'
import { base64url } from '@quantum-ip/base'
import { secretBytes } from '@quantum-ip/crypto'
import { assert as assertProperty, asyncProperty, integer, nat } from 'fast-check'
import { type CustodyError, type FileCustodyOptions, openFileCustody } from '../src/index.ts'

let place: string
let folder: string
let nth = 0

before(async () => {
  place = await mkdtemp(join(tmpdir(), 'qip-custody-'))
})
beforeEach(() => {
  folder = join(place, String((nth += 1)), 'keys')
})
after(() => rm(place, { recursive: true }))

const order = { alg: 'ML-DSA-44', purpose: 'qip-feed' } as const
const open = (options: Partial<FileCustodyOptions> = {}) => openFileCustody({ folder, ...options })

test('a key sealed in another folder, or under another name, is refused', async () => {
  const custody = await open()
  const [one, two] = [await custody.create(order), await custody.create(order)]
  const text = await readFile(join(folder, `${one.kid}.key`))
  await writeFile(join(folder, `${two.kid}.key`), text)
  await assert.rejects((await open()).publicKey(two.kid), { code: 'QIP_CUSTODY_FILE_DAMAGED' })
  folder = join(place, `other-${nth}`, 'keys')
  await (await open()).close()
  await writeFile(join(folder, `${one.kid}.key`), text)
  await assert.rejects((await open()).publicKey(one.kid), {
    code: 'QIP_CUSTODY_FILE_DAMAGED',
    message: /another folder/,
  })
})

test('any changed byte of a key file is refused, and tells nothing of the key', async () => {
  const custody = await open()
  const { kid } = await custody.create(order)
  const secret = base64url(secretBytes((await custody.exportKey(kid)).key))
  const file = join(folder, `${kid}.key`)
  const whole = await readFile(file)
  await assertProperty(
    asyncProperty(nat(whole.length - 1), integer({ min: 1, max: 255 }), async (at, change) => {
      const changed = Buffer.from(whole)
      changed[at] = (changed[at] ?? 0) ^ change
      await writeFile(file, changed)
      const again = await open()
      await assert.rejects(again.publicKey(kid), (error: CustodyError) => {
        assert.equal(error.code, 'QIP_CUSTODY_FILE_DAMAGED')
        assert.ok(!inspect(error, { depth: 9 }).includes(secret.slice(0, 16)))
        return true
      })
    }),
    { numRuns: 400 },
  )
  for (const cut of [
    whole.subarray(1),
    whole.subarray(0, -1),
    Buffer.concat([whole, whole]),
    Buffer.alloc(0),
  ]) {
    await writeFile(file, cut)
    await assert.rejects((await open()).publicKey(kid), { code: 'QIP_CUSTODY_FILE_DAMAGED' })
  }
})

test('any changed byte of the header of the folder is damage, never a wrong passphrase', async () => {
  await (await open()).close()
  const file = join(folder, 'custody.json')
  const whole = await readFile(file)
  for (const at of whole.keys()) {
    const changed = Buffer.from(whole)
    changed[at] = (changed[at] ?? 0) ^ (1 + (at % 255))
    await writeFile(file, changed)
    await assert.rejects(open(), { code: 'QIP_CUSTODY_FILE_DAMAGED' }, `byte ${at}`)
  }
})

test('a header whose parameters were weakened with a matching checksum still does not open', async () => {
  const passphrase = { file: join(place, 'passphrase') }
  await writeFile(passphrase.file, 'correct horse battery', { mode: 0o600 })
  await (await open({ passphrase })).close()
  const file = join(folder, 'custody.json')
  const { sum: _, ...members } = JSON.parse(await readFile(file, 'utf8')) as Record<string, unknown>
  for (const change of [{ memoryKib: 64 }, { passes: 1 }]) {
    const weak = { ...members, ...change }
    const sum = createHash('sha256').update(JSON.stringify(weak)).digest('base64url')
    await writeFile(file, `${JSON.stringify({ ...weak, sum })}\n`)
    await assert.rejects(open({ passphrase }), { code: 'QIP_CUSTODY_PASSPHRASE_WRONG' })
  }
  const endless = { ...members, memoryKib: 2 ** 31 }
  const sum = createHash('sha256').update(JSON.stringify(endless)).digest('base64url')
  await writeFile(file, `${JSON.stringify({ ...endless, sum })}\n`)
  await assert.rejects(open({ passphrase }), { code: 'QIP_CUSTODY_FILE_DAMAGED' })
})
