import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { type JsonObject, systemRandom } from '@quantum-ip/base'
import { createCredential } from '@quantum-ip/http'
import { type Authority, type AuthorityServer, createJoinToken, serveAuthority } from '../src/index.ts'
import { sqlCredentialStore } from '../src/operators.ts'
import { attestationOf, builder } from './instances/builder.ts'
import { admit, checkout, openIn, shop, td } from './support.ts'

const build = 'ab'.repeat(32)
const other = 'cd'.repeat(32)

let folder = ''
let authority: Authority
let served: AuthorityServer
let url = ''
let credential = ''

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'qip-investigation-'))
  authority = await openIn(folder, { builders: [builder] })
  served = await serveAuthority({ authority, listeners: [{ host: '127.0.0.1', port: 0 }] })
  url = served.bound[0]?.url ?? ''
  const { store, clock, random } = authority
  const operator = {
    store: sqlCredentialStore(store.sql),
    clock,
    random: systemRandom,
    name: 'viewer one',
    role: 'viewer',
  } as const
  credential = (await createCredential(operator)).credential
  for (const digest of [build, other]) await authority.registry.register(await attestationOf(digest))
  for (const [sid, digest] of [
    [checkout, build],
    [shop, other],
  ] as const) {
    const order = { sid, builds: [digest], role: 'workload', ttlS: 60 } as const
    await admit(url, (await createJoinToken({ sql: store.sql, clock, random, td }, order)).token)
  }
  await authority.acts.record('anna', 'revoke', { kind: 'build', value: build })
  await authority.acts.record('anna', 'revoke', { kind: 'build', value: other })
  await authority.watch.events.raise({
    kind: 'attestation_invalid',
    severity: 'critical',
    subject: build,
    log: 'acme.example/attestations/1',
    dedupe: 'one',
    proof: { secret: 'of nobody' },
    reportedBy: checkout,
    action: 'none',
  })
})

after(async () => {
  await served.close()
  await authority.close()
  await rm(folder, { recursive: true })
})

async function ask(
  target: string,
  body?: object,
  bearer = credential,
): Promise<{ status: number; body: JsonObject }> {
  const response = await fetch(url + target, {
    method: body === undefined ? 'GET' : 'POST',
    headers: { authorization: `Bearer ${bearer}`, 'content-type': 'application/json' },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  })
  const text = await response.text()
  return { status: response.status, body: text === '' ? {} : (JSON.parse(text) as JsonObject) }
}

const list = (body: JsonObject, name: string) => body[name] as unknown as readonly JsonObject[]

test('tells sessions, rules, acts and events about a build, and nothing about another one', async () => {
  const { body } = await ask(`/v1/investigations/context?about=${build}`)
  assert.deepEqual(
    list(body, 'sessions').map(({ sid, builds }) => [sid, builds]),
    [[checkout, [{ digest: build, attestation: [1, 1] }]]],
  )
  assert.deepEqual(
    list(body, 'acts').map(({ act, operator }) => [act, operator]),
    [['revoke', 'anna']],
  )
  assert.deepEqual(
    list(body, 'events').map(({ kind, subject }) => [kind, subject]),
    [['attestation_invalid', build]],
  )
  assert.equal(list(body, 'rules')[0]?.['builder'], 'https://ci.acme.example/*')
  assert.ok(!JSON.stringify(body).includes('of nobody'))
})

test('a session is told without its key and its ID', async () => {
  const { body } = await ask(`/v1/investigations/context?about=${encodeURIComponent(checkout)}`)
  const [session] = list(body, 'sessions')
  assert.deepEqual(Object.keys(session ?? {}).sort(), [
    'admittedMs',
    'builds',
    'expiresS',
    'method',
    'role',
    'sid',
  ])
})

test('what stands for any character in a search stands for itself here', async () => {
  const { body } = await ask(`/v1/investigations/context?about=${encodeURIComponent('%%%%%%%%,________')}`)
  assert.deepEqual([list(body, 'sessions'), list(body, 'acts'), list(body, 'events')], [[], [], []])
})

test('lists what a builder attested, with the evidence', async () => {
  const { body } = await ask(`/v1/investigations/attestations?builder=${encodeURIComponent(builder.id)}`)
  const builds = list(body, 'attestations').map(({ build: digest }) => digest)
  assert.deepEqual(new Set(builds), new Set([build, other]))
  assert.equal(body['more'], false)
  const none = await ask('/v1/investigations/attestations?builder=https%3A%2F%2Fci.acme.example%2Frelea%25')
  assert.deepEqual(list(none.body, 'attestations'), [])
})

test('notes the digest of a case among the acts', async () => {
  const digest = '12'.repeat(32)
  assert.equal((await ask('/v1/investigations/cases', { digest, kind: 'build', value: build })).status, 204)
  const [act] = await authority.acts.list(1)
  assert.deepEqual([act?.operator, act?.act], ['viewer one', 'export-case'])
  assert.ok(act?.detail.includes(digest))
})

test('none of it is for strangers', async () => {
  const targets = [`/v1/investigations/context?about=${build}`, '/v1/investigations/attestations?builder=x']
  for (const target of targets)
    assert.equal((await ask(target, undefined, 'qipo1.nobody')).status, 401, target)
  const noted = await ask(
    '/v1/investigations/cases',
    { digest: build, kind: 'build', value: 'x' },
    'qipo1.nobody',
  )
  assert.equal(noted.status, 401)
})
