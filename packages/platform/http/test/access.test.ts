import assert from 'node:assert/strict'
import { readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import {
  type Access,
  createCredential,
  createFirstAdmin,
  type CredentialStore,
  memoryCredentialStore,
  type Member,
  principalOf,
  requireRole,
  revokeCredential,
  type Role,
  roles,
  type Server,
} from '../src/index.ts'
import { call, folder, raw, started } from './support.ts'

const rules: readonly Access[] = ['open', 'session', 'member', ...roles]

function addRules({ app }: Server): void {
  for (const access of rules) app.get(`/${access}`, { config: { access } }, (request) => principalOf(request))
}

async function bearer(store: CredentialStore, role: Role): Promise<Record<string, string>> {
  const { credential } = await createCredential({ store, name: `a ${role}`, role })
  return { authorization: `Bearer ${credential}` }
}

const members: Record<string, Member> = {
  'Bearer verifier-session': { id: 'spiffe://a/verifier', verifier: true },
  'DPoP workload-session': { id: 'spiffe://a/shop', verifier: false },
}
const authenticateMember = (authorization: string): Member | undefined => members[authorization]

describe('access', () => {
  it('is what the rule of the route says, for every kind of caller', async (test) => {
    const credentials = memoryCredentialStore()
    await using at = await started({ credentials, authenticateMember }, addRules)
    const callers: [string, Record<string, string>, readonly Access[]][] = [
      ['nobody', {}, ['open']],
      ['a workload', { authorization: 'DPoP workload-session' }, ['open', 'session']],
      ['a verifier', { authorization: 'Bearer verifier-session' }, ['open', 'session', 'member']],
      ['a viewer', await bearer(credentials, 'viewer'), ['open', 'member', 'viewer']],
      ['an operator', await bearer(credentials, 'operator'), ['open', 'member', 'viewer', 'operator']],
      [
        'a key custodian',
        await bearer(credentials, 'key-custodian'),
        ['open', 'member', 'viewer', 'operator', 'key-custodian'],
      ],
      ['an admin', await bearer(credentials, 'admin'), ['open', 'member', ...roles]],
    ]
    for (const [title, headers, allowed] of callers) {
      await test.test(title, async () => {
        for (const access of rules) {
          const { status } = await call({ port: at.port, path: `/${access}`, headers })
          const refused = title === 'nobody' ? 401 : 403
          assert.equal(status, allowed.includes(access) ? 200 : refused, access)
        }
      })
    }
  })

  it('is refused to whatever is no valid credential, in one voice', async () => {
    const credentials = memoryCredentialStore()
    let now = 1_000
    const clock = { now: () => now }
    await using at = await started({ credentials, authenticateMember, clock }, addRules)
    const good = await createCredential({ store: credentials, name: 'a', role: 'viewer', clock })
    const other = await createCredential({ store: credentials, name: 'b', role: 'viewer', clock })
    const revoked = await createCredential({ store: credentials, name: 'c', role: 'viewer', clock })
    await revokeCredential({ store: credentials, id: revoked.record.id, clock })
    const expiring = await createCredential({
      store: credentials,
      name: 'd',
      role: 'viewer',
      expiresMs: 2_000,
      clock,
    })
    now = 2_000
    const [prefix, id] = good.credential.split('.')
    const refused: [string, string][] = [
      ['an unknown session', 'Bearer no-session'],
      ['another scheme', 'Basic YTpi'],
      ['a malformed credential', 'Bearer qipo1.x.y'],
      ['the secret of another', `Bearer ${prefix}.${id}.${other.credential.split('.')[2]}`],
      ['an unknown ID', `Bearer ${prefix}.AAAAAAAAAAAA.${good.credential.split('.')[2]}`],
      ['a revoked credential', `Bearer ${revoked.credential}`],
      ['an expired credential', `Bearer ${expiring.credential}`],
      ['a credential with something behind it', `Bearer ${good.credential} x`],
    ]
    const answers = new Set<string>()
    for (const [title, authorization] of refused) {
      const answer = await call({ port: at.port, path: '/viewer', headers: { authorization } })
      assert.deepEqual([answer.status, answer.json.code], [401, 'QIP_HTTP_CREDENTIAL_INVALID'], title)
      assert.equal(answer.headers['www-authenticate'], 'Bearer realm="quantum-ip", error="invalid_token"')
      answers.add(answer.json.detail)
    }
    assert.equal(answers.size, 1)
    assert.equal(
      (
        await call({
          port: at.port,
          path: '/viewer',
          headers: { authorization: `Bearer ${good.credential}` },
        })
      ).status,
      200,
    )
  })

  it('is decided before the body is read', async () => {
    await using at = await started({}, ({ app }) => {
      app.post('/x', { config: { access: 'operator' } }, () => ({}))
    })
    assert.equal((await call({ port: at.port, path: '/x', body: '{' })).status, 401)
  })

  it('is refused to two Authorization fields', async () => {
    await using at = await started({ authenticateMember }, addRules)
    const field = 'authorization: Bearer verifier-session\r\n'
    const answer = await raw(
      at.port,
      `GET /member HTTP/1.1\r\nhost: a\r\nconnection: close\r\n${field}${field}\r\n`,
    )
    assert.match(answer, /^HTTP\/1.1 400 [^]*QIP_HTTP_REQUEST_MALFORMED/)
  })

  it('is admin for the Unix socket, whose mode decides who can open it', async () => {
    await using place = await folder()
    const path = join(place.path, 'admin.sock')
    await using at = await started({ authenticateMember }, addRules, [{ path }])
    assert.equal((await stat(path)).mode & 0o777, 0o600)
    const admin = await call({ socketPath: path, path: '/admin' })
    assert.deepEqual(admin.json, { kind: 'local', role: 'admin' })
    assert.equal((await call({ socketPath: path, path: '/session' })).status, 401)
    const session = await call({
      socketPath: path,
      path: '/session',
      headers: { authorization: 'DPoP workload-session' },
    })
    assert.equal(session.status, 200)
    await at.server.close()
    await assert.rejects(stat(path), { code: 'ENOENT' })
  })

  it('names the role that is missing', async () => {
    const credentials = memoryCredentialStore()
    await using at = await started({ credentials }, ({ app }) => {
      app.get('/rotate', { config: requireRole('key-custodian') }, () => ({}))
    })
    const answer = await call({
      port: at.port,
      path: '/rotate',
      headers: await bearer(credentials, 'operator'),
    })
    assert.deepEqual([answer.status, answer.json.code], [403, 'QIP_HTTP_ROLE_MISSING'])
    assert.match(answer.json.detail, /`key-custodian`/)
  })
})

describe('createFirstAdmin', () => {
  it('writes a credential that works to a file of mode 0600, once', async () => {
    await using place = await folder()
    const file = join(place.path, 'new', 'admin-credential')
    const store = memoryCredentialStore()
    const record = await createFirstAdmin({ store, file })
    assert.equal(record?.role, 'admin')
    assert.ok(!('credential' in (record ?? {})))
    assert.equal((await stat(file)).mode & 0o777, 0o600)
    const written = await readFile(file, 'utf8')
    await using at = await started({ credentials: store }, addRules)
    assert.equal(
      (await call({ port: at.port, path: '/admin', headers: { authorization: `Bearer ${written.trim()}` } }))
        .status,
      200,
    )
    assert.equal(await createFirstAdmin({ store, file }), undefined)
    assert.equal(await readFile(file, 'utf8'), written)
  })

  it('does not inherit the permissions of a file that is there', async () => {
    await using place = await folder()
    const file = join(place.path, 'admin-credential')
    await writeFile(file, 'old', { mode: 0o644 })
    await createFirstAdmin({ store: memoryCredentialStore(), file })
    assert.equal((await stat(file)).mode & 0o777, 0o600)
  })

  it('keeps no record where the file cannot be written', async () => {
    await using place = await folder()
    const blocked = join(place.path, 'file')
    await writeFile(blocked, '')
    const store = memoryCredentialStore()
    await assert.rejects(createFirstAdmin({ store, file: join(blocked, 'x') }), {
      code: 'QIP_HTTP_FILE_UNWRITABLE',
    })
    assert.deepEqual(await store.list(), [])
  })
})
