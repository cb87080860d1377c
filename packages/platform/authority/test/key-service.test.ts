import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { type Custody, CustodyError, openFileCustody } from '@quantum-ip/custody'
import { type Authority, keyCustody } from '../src/index.ts'
import { Follower, issue, openIn, placesIn } from './support.ts'

// A second custody in files stands for the key service, and can be away.

let folder: string
let local: Custody
let service: Custody
let isAway = false
let authority: Authority

async function openWithService(): Promise<Authority> {
  const openCustody = async () => {
    local = await openFileCustody({ folder: join(folder, 'keys') })
    service = awayable(await openFileCustody({ folder: join(folder, 'service') }))
    return keyCustody({ local, service })
  }
  return openIn(folder, { places: { ...placesIn(folder), openCustody } })
}

function checked<Args extends readonly unknown[], Answer>(
  work: (...args: Args) => Promise<Answer>,
): (...args: Args) => Promise<Answer> {
  return async (...args) => {
    const details = { service: 'the service', operation: 'anything', reason: 'away' }
    if (isAway) throw new CustodyError('QIP_CUSTODY_SERVICE_UNAVAILABLE', details)
    return work(...args)
  }
}

function awayable(custody: Custody): Custody {
  return {
    name: 'the service',
    create: checked((order) => custody.create(order)),
    publicKey: checked((kid) => custody.publicKey(kid)),
    sign: checked((kid, message) => custody.sign(kid, message)),
    list: checked(() => custody.list()),
    destroy: checked((kid) => custody.destroy(kid)),
    close: () => custody.close(),
  }
}

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'qip-service-'))
  authority = await openWithService()
})

after(async () => {
  await authority.close()
  await rm(folder, { recursive: true })
})

const purposes = async (custody: Custody) =>
  [...new Set((await custody.list()).map(({ purpose }) => purpose))].sort()

test('bundle and attestation log keys are made in the service, all others in files', async () => {
  assert.deepEqual(await purposes(service), ['bundle', 'qip-log'])
  assert.deepEqual(await purposes(local), ['qip-feed', 'qip-jwt', 'qip-policy', 'qip-token', 'root'])
})

test('while the service is away issuing and states go on, and keys cannot change', async () => {
  const follower = await Follower.start(authority)
  await follower.settle()
  isAway = true
  try {
    const before = authority.publisher.current.seq
    const { tokens } = await issue(authority)
    await authority.publisher.publish()
    await follower.settle()
    assert.ok(authority.publisher.current.seq > before)
    assert.ok(follower.holds(tokens[0] ?? ''))
    await assert.rejects(authority.publisher.publishKeys(), {
      code: 'QIP_CUSTODY_SERVICE_UNAVAILABLE',
      fault: 'busy',
    })
    await issue(authority)
  } finally {
    isAway = false
  }
  await authority.publisher.publishKeys()
})

test('a restart finds each key where it is, and says so where the service is away', async () => {
  const { kid } = authority.bundleKeys[0] ?? {}
  await authority.close()
  isAway = true
  await assert.rejects(openWithService(), { code: 'QIP_CUSTODY_SERVICE_UNAVAILABLE' })
  isAway = false
  authority = await openWithService()
  assert.equal(authority.bundleKeys[0]?.kid, kid)
})
