import assert from 'node:assert/strict'
import { X509Certificate } from 'node:crypto'
import { readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { folder } from '../../test/support.ts'
import { createListenerTls, type ListenerTlsOptions } from './tls-identity.ts'

const tls = { certificate: 'self-signed', keyExchange: 'required' } as const
const names = ['localhost', '127.0.0.1', 'spiffe://a/authority']

describe('createListenerTls', () => {
  it('makes a self-signed certificate once, with a key that only its owner reads', async () => {
    await using place = await folder()
    const options: ListenerTlsOptions = { tls, names, directory: join(place.path, 'keys') }
    const first = await createListenerTls(options)
    assert.equal(first.keyExchange, 'required')
    assert.equal((await stat(join(options.directory, 'tls-key.pem'))).mode & 0o777, 0o600)
    assert.deepEqual(await readdir(options.directory), ['tls-certificate.pem', 'tls-key.pem'])
    assert.deepEqual(await createListenerTls(options), first)
    assert.deepEqual(await createListenerTls({ ...options, names: ['127.0.0.1'] }), first)
  })

  it('makes another where the one it kept no longer serves', async () => {
    await using place = await folder()
    const options: ListenerTlsOptions = { tls, names, directory: place.path }
    const keyFile = join(place.path, 'tls-key.pem')
    const changes: [string, () => Promise<Partial<ListenerTlsOptions>>][] = [
      ['another name', async () => ({ names: [...names, 'qip.example'] })],
      ['a week before its end', async () => ({ clock: { now: () => Date.now() + 84 * 86_400_000 } })],
      ['no key', async () => (await rm(keyFile), {})],
      [
        'half a key',
        async () => (await writeFile(keyFile, (await readFile(keyFile, 'utf8')).slice(0, 60)), {}),
      ],
    ]
    for (const [title, change] of changes) {
      const before = await createListenerTls(options)
      const after = await createListenerTls({ ...options, ...(await change()) })
      assert.notEqual(after.certificate, before.certificate, title)
      assert.ok(new X509Certificate(after.certificate).checkHost('localhost'))
    }
  })

  it('reads the files that are named, and tells what is wrong with them', async () => {
    await using place = await folder()
    const made = await createListenerTls({ tls, names, directory: place.path })
    const certificateFile = join(place.path, 'tls-certificate.pem')
    const files = { certificateFile, keyFile: join(place.path, 'tls-key.pem') }
    const named = await createListenerTls({
      tls: { certificate: files, keyExchange: 'preferred' },
      names,
      directory: place.path,
    })
    assert.deepEqual(named, { ...made, keyExchange: 'preferred' })
    const missing = { certificate: { ...files, keyFile: '/nowhere' }, keyExchange: 'preferred' } as const
    await assert.rejects(createListenerTls({ tls: missing, names, directory: place.path }), {
      code: 'QIP_HTTP_FILE_UNREADABLE',
    })
  })

  it('tells a directory that cannot be written', async () => {
    await using place = await folder()
    const file = join(place.path, 'file')
    await writeFile(file, '')
    await assert.rejects(createListenerTls({ tls, names, directory: join(file, 'x') }), {
      code: 'QIP_HTTP_FILE_UNWRITABLE',
    })
  })
})
