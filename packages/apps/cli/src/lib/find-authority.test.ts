import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { findAuthority } from './find-authority.ts'

let folder = ''
let file = ''

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'qip-find-'))
  file = join(folder, 'quantum-ip.yaml')
})

after(() => rm(folder, { recursive: true }))

test('takes the addresses of the command line first, sockets made absolute', async () => {
  const { urls, config } = await findAuthority({ authority: ['https://a.example:1', 'unix:/run/a.sock'] })
  assert.deepEqual(urls, ['https://a.example:1', 'unix:/run/a.sock'])
  assert.equal(config, undefined)
  const { urls: relative } = await findAuthority({ authority: ['unix:a.sock'] })
  assert.deepEqual(relative, [`unix:${join(process.cwd(), 'a.sock')}`])
})

test('takes the address of the configuration while its socket is not there', async () => {
  await writeFile(file, 'authority: { listen: 127.0.0.1:7777 }\n')
  assert.deepEqual((await findAuthority({ config: file })).urls, ['http://127.0.0.1:7777'])
  await writeFile(file, 'authority: { url: https://authority.acme.example }\n')
  assert.deepEqual((await findAuthority({ config: file })).urls, ['https://authority.acme.example'])
})

test('takes the socket of the configuration where it is there', async () => {
  const path = join(folder, 'here.sock')
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(path, resolve))
  await writeFile(file, 'authority: { listen: 127.0.0.1:7777, socket: ./here.sock }\n')
  assert.deepEqual((await findAuthority({ config: file })).urls, [`unix:${path}`])
  await new Promise((resolve) => server.close(resolve))
})

test('refuses a configuration that is not there, and one that is wrong', async () => {
  await assert.rejects(findAuthority({ config: join(folder, 'none.yaml') }), {
    code: 'QIP_HTTP_FILE_UNREADABLE',
  })
  await writeFile(file, 'authorty: {}\n')
  await assert.rejects(findAuthority({ config: file }), { code: 'QIP_HTTP_CONFIG_UNKNOWN_KEY' })
})
