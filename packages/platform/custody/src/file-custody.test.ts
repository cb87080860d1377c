import assert from 'node:assert/strict'
import { chmod, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { after, before, beforeEach, test } from 'node:test'
import { base64url, utf8 } from '@quantum-ip/base'
import { generatePrivateKey, privateJwk, secretBytes, verifySignature } from '@quantum-ip/crypto'
import { changePassphrase, custodySigner, type FileCustodyOptions, openFileCustody } from './index.ts'

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

async function passphraseFile(text: string, name = 'passphrase'): Promise<{ readonly file: string }> {
  const file = join(place, `${nth}-${name}`)
  await writeFile(file, text, { mode: 0o600 })
  return { file }
}

for (const alg of [
  'ML-DSA-44',
  'ML-DSA-65',
  'ML-DSA-87',
  'Ed25519',
  'SLH-DSA-SHA2-128s',
  'ML-DSA-44-Ed25519',
] as const) {
  test(`a key of ${alg} signs after it was sealed, closed and opened again`, async () => {
    const passphrase = await passphraseFile('correct horse battery staple\n')
    const first = await open({ passphrase })
    const { kid } = await first.create({ alg, purpose: 'bundle' })
    await first.close()
    const again = await open({ passphrase })
    const signer = await custodySigner(again, kid)
    const message = utf8('a message')
    await verifySignature({ key: signer.publicKey, message, signature: await signer.sign(message) })
    assert.deepEqual(
      (await again.list()).map((key) => [key.publicKey.kid, key.purpose]),
      [[kid, 'bundle']],
    )
  })
}

test('files and folder are for their owner alone, and no secret stands in them in the clear', async () => {
  const custody = await open()
  const { kid } = await custody.create(order)
  const secret = secretBytes((await custody.exportKey(kid)).key)
  assert.equal((await stat(folder)).mode & 0o777, 0o700)
  const drawn = `${folder}.passphrase`
  const files = [...(await readdir(folder)).map((name) => join(folder, name)), drawn]
  assert.deepEqual(
    files.map((file) => basename(file)).sort(),
    [`${kid}.key`, 'custody.json', 'keys.passphrase'].sort(),
  )
  for (const file of files) {
    assert.equal((await stat(file)).mode & 0o777, 0o600, file)
    const bytes = await readFile(file)
    assert.ok(!bytes.includes(Buffer.from(secret)) && !bytes.includes(base64url(secret)), file)
  }
})

test('the parameters of Argon2id stand beside what is sealed: 64 MiB, 3 passes, 4 lanes for a passphrase of people', async () => {
  await (await open({ passphrase: await passphraseFile('correct horse battery') })).close()
  const { kdf, memoryKib, passes, lanes } = JSON.parse(await readFile(join(folder, 'custody.json'), 'utf8'))
  assert.deepEqual([kdf, memoryKib, passes, lanes], ['argon2id', 65_536, 3, 4])
})

test('a wrong passphrase, none, and a missing one are told apart from a damaged file', async () => {
  const passphrase = await passphraseFile('correct horse battery')
  await (await open({ passphrase })).create(order)
  const wrong = await passphraseFile('incorrect horse battery', 'wrong')
  await assert.rejects(open({ passphrase: wrong }), { code: 'QIP_CUSTODY_PASSPHRASE_WRONG' })
  await assert.rejects(open(), { code: 'QIP_CUSTODY_PASSPHRASE_REFUSED' })
  await assert.rejects(open({ passphrase: { file: join(place, 'nowhere') } }), {
    code: 'QIP_CUSTODY_PASSPHRASE_REFUSED',
  })
  await writeFile(join(folder, 'custody.json'), 'x')
  await assert.rejects(open({ passphrase }), { code: 'QIP_CUSTODY_FILE_DAMAGED' })
  await rm(join(folder, 'custody.json'))
  await assert.rejects(open({ passphrase }), { code: 'QIP_CUSTODY_FILE_DAMAGED', message: /is missing/ })
})

test('a passphrase that others may read, and one that is too short, are refused', async () => {
  const passphrase = await passphraseFile('correct horse battery')
  await chmod(passphrase.file, 0o640)
  await assert.rejects(open({ passphrase }), {
    code: 'QIP_CUSTODY_PASSPHRASE_REFUSED',
    message: /others may read/,
  })
  await assert.rejects(open({ passphrase: await passphraseFile('short\n', 'short') }), {
    code: 'QIP_CUSTODY_PASSPHRASE_REFUSED',
    message: /fewer than 12/,
  })
})

test('a passphrase comes from a systemd credential', async (t) => {
  const before = process.env['CREDENTIALS_DIRECTORY']
  t.after(() => {
    if (before === undefined) delete process.env['CREDENTIALS_DIRECTORY']
    else process.env['CREDENTIALS_DIRECTORY'] = before
  })
  delete process.env['CREDENTIALS_DIRECTORY']
  const passphrase = { systemdCredential: 'qip-custody' }
  await assert.rejects(open({ passphrase }), {
    code: 'QIP_CUSTODY_PASSPHRASE_REFUSED',
    message: /no credentials/,
  })
  process.env['CREDENTIALS_DIRECTORY'] = place
  // systemd lets the group read, too.
  await writeFile(join(place, 'qip-custody'), 'handed in by systemd', { mode: 0o440 })
  const { kid } = await (await open({ passphrase })).create(order)
  assert.equal((await (await open({ passphrase })).publicKey(kid)).kid, kid)
  await assert.rejects(open({ passphrase: { systemdCredential: '../qip-custody' } }), {
    code: 'QIP_CUSTODY_PASSPHRASE_REFUSED',
  })
})

test('a passphrase that is configured later takes over from the one that was drawn, whose file goes', async () => {
  const events: string[] = []
  const onEvent = (event: string): void => void events.push(event)
  const { kid } = await (await open({ onEvent })).create(order)
  const passphrase = await passphraseFile('correct horse battery')
  assert.equal((await (await open({ passphrase, onEvent })).publicKey(kid)).kid, kid)
  assert.deepEqual(events, ['custody_passphrase_drawn', 'custody_resealed'])
  await assert.rejects(stat(`${folder}.passphrase`), { code: 'ENOENT' })
  await assert.rejects(open(), { code: 'QIP_CUSTODY_PASSPHRASE_REFUSED' })
})

test('a passphrase is changed without touching the keys, from a configured one and from the one that was drawn', async () => {
  const { kid } = await (await open()).create(order)
  const [first, second] = [
    await passphraseFile('correct horse battery', 'first'),
    await passphraseFile('another horse battery', 'second'),
  ]
  const key = await readFile(join(folder, `${kid}.key`), 'utf8')
  await changePassphrase({ folder, to: first })
  await assert.rejects(stat(`${folder}.passphrase`), { code: 'ENOENT' })
  await assert.rejects(changePassphrase({ folder, from: second, to: first }), {
    code: 'QIP_CUSTODY_PASSPHRASE_WRONG',
  })
  await changePassphrase({ folder, from: first, to: second })
  await assert.rejects(open({ passphrase: first }), { code: 'QIP_CUSTODY_PASSPHRASE_WRONG' })
  assert.equal((await (await open({ passphrase: second })).publicKey(kid)).kid, kid)
  assert.equal(await readFile(join(folder, `${kid}.key`), 'utf8'), key)
})

test('keys in the clear of an older version are sealed at the next start, also when a crash came between', async () => {
  const keys = [generatePrivateKey('ML-DSA-44'), generatePrivateKey('Ed25519')]
  await (await open()).close()
  for (const key of keys) {
    await writeFile(join(folder, `${key.publicKey.kid}.jwk`), JSON.stringify(privateJwk(key)))
  }
  await writeFile(join(folder, 'tls-key.pem'), 'is left alone')
  const events: unknown[] = []
  const custody = await open({ onEvent: (event, { count }) => events.push([event, count]) })
  assert.deepEqual(events, [['custody_plain_keys_sealed', 2]])
  for (const { publicKey } of keys) assert.equal((await custody.publicKey(publicKey.kid)).kid, publicKey.kid)
  const [key] = keys
  await writeFile(join(folder, `${key?.publicKey.kid}.jwk`), JSON.stringify(privateJwk(key!)))
  await open()
  assert.deepEqual((await readdir(folder)).filter((name) => !name.endsWith('.key')).sort(), [
    'custody.json',
    'tls-key.pem',
  ])
})

test('a key that is destroyed is gone, and a name that is no thumbprint names none', async () => {
  const custody = await open()
  const { kid } = await custody.create(order)
  await custody.destroy(kid)
  await custody.destroy(kid)
  for (const name of [kid, '../custody', '', 'x'.repeat(43)]) {
    await assert.rejects(custody.sign(name, utf8('m')), { code: 'QIP_CUSTODY_KEY_UNKNOWN' })
  }
  assert.deepEqual(await custody.list(), [])
})

test('two processes that begin in one folder at once agree on its key', async () => {
  const [one, other] = await Promise.all([open(), open()])
  const { kid } = await one.create(order)
  assert.equal((await other.publicKey(kid)).kid, kid)
})
