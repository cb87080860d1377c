import assert from 'node:assert/strict'
import { chmod, mkdir, readdir, rename, stat, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { isQipError } from '@quantum-ip/base'
import { type Listener, openServer } from '../src/index.ts'
import { call, folder, started } from './support.ts'

async function refusal(listeners: readonly Listener[]): Promise<string> {
  await using server = await openServer({ title: 't', version: '1' })
  try {
    await server.listen(listeners)
  } catch (error) {
    assert.ok(isQipError(error), String(error))
    assert.ok(error.next !== undefined && error.next !== '')
    return error.code
  }
  return assert.fail('it listens')
}

describe('listen', () => {
  it('refuses a port in use, and then listens nowhere', async () => {
    await using first = await started({}, () => {})
    await using place = await folder()
    const path = join(place.path, 's')
    const taken = { host: '127.0.0.1', port: first.port }
    assert.equal(await refusal([{ path }, taken]), 'QIP_HTTP_ADDRESS_IN_USE')
    assert.deepEqual(await readdir(place.path), [])
  })

  it('refuses an address that this machine does not have', async () => {
    assert.equal(await refusal([{ host: '203.0.113.7', port: 0 }]), 'QIP_HTTP_ADDRESS_UNAVAILABLE')
    assert.equal(await refusal([{ host: 'nowhere.invalid', port: 0 }]), 'QIP_HTTP_ADDRESS_UNAVAILABLE')
  })

  it('shares a port where it is asked to', async () => {
    await using first = await started({}, () => {}, [{ host: '127.0.0.1', port: 0, reusePort: true }])
    await using second = await started({}, () => {}, [
      { host: '127.0.0.1', port: first.port, reusePort: true },
    ])
    assert.equal(second.port, first.port)
  })

  it('listens on several at once', async () => {
    await using place = await folder()
    const path = join(place.path, 's')
    await using at = await started({}, () => {}, [
      { host: '127.0.0.1', port: 0 },
      { host: '::1', port: 0 },
      { path, mode: 0o660 },
    ])
    assert.deepEqual(
      at.bound.map(({ url }) => url.replace(/:\d+$/, ':0')),
      ['http://127.0.0.1:0', 'http://[::1]:0', `unix:${path}`],
    )
    assert.equal((await call({ host: '::1', port: at.bound[1]?.port ?? 0, path: '/healthz' })).status, 200)
    assert.equal((await call({ socketPath: path, path: '/healthz' })).status, 200)
    assert.equal((await stat(path)).mode & 0o777, 0o660)
  })

  it('refuses a socket that a process answers on', async () => {
    await using place = await folder()
    const path = join(place.path, 's')
    await using first = await started({}, () => {}, [{ path }])
    assert.equal(await refusal([{ path }]), 'QIP_HTTP_SOCKET_IN_USE')
    assert.equal(first.server.stopping, false)
    assert.equal((await call({ socketPath: path, path: '/healthz' })).status, 200)
  })

  it('replaces the socket that a dead process left', async () => {
    await using place = await folder()
    const path = join(place.path, 's')
    const grave = createServer()
    await new Promise<void>((resolve) => grave.listen(join(place.path, 'other'), resolve))
    // The file stays, nobody listens: what a kill leaves.
    await rename(join(place.path, 'other'), path)
    await new Promise((resolve) => grave.close(resolve))
    assert.ok((await stat(path)).isSocket())
    await using at = await started({}, () => {}, [{ path }])
    assert.equal(at.bound[0]?.port, 0)
    assert.equal((await call({ socketPath: path, path: '/healthz' })).status, 200)
  })

  it('refuses paths where no socket can be', async () => {
    await using place = await folder()
    const file = join(place.path, 'file')
    await writeFile(file, 'precious')
    assert.equal(await refusal([{ path: file }]), 'QIP_HTTP_SOCKET_UNUSABLE')
    assert.equal(await refusal([{ path: join(place.path, 'missing', 's') }]), 'QIP_HTTP_SOCKET_UNUSABLE')
    assert.equal(await refusal([{ path: join(file, 's') }]), 'QIP_HTTP_SOCKET_UNUSABLE')
    assert.equal(await refusal([{ path: join(place.path, 'x'.repeat(100)) }]), 'QIP_HTTP_SOCKET_UNUSABLE')
    assert.equal((await stat(file)).size, 8)
  })

  it(
    'refuses a directory that this user may not write',
    { skip: process.getuid?.() === 0 ? 'root may write everywhere' : false },
    async () => {
      await using place = await folder()
      const locked = join(place.path, 'locked')
      await mkdir(locked)
      await chmod(locked, 0o500)
      assert.equal(await refusal([{ path: join(locked, 's') }]), 'QIP_HTTP_SOCKET_UNUSABLE')
    },
  )
})
