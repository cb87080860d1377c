import assert from 'node:assert/strict'
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { openAuthorityPart } from '../src/up/authority-part.ts'
import { ProcessTelemetry } from '../src/up/process-telemetry.ts'
import { readConfigFile } from '@quantum-ip/http'
import { run } from './support/run.ts'

// One trust domain from its backup to its restored self. Tests go on where the one before ended.

let folder = ''
let authority: Awaited<ReturnType<typeof openAuthorityPart>>
const at = (name: string) => join(folder, name)
const qip = (...args: string[]) => run([...args, '--config', at('quantum-ip.yaml')])

async function start(): Promise<void> {
  const config = await readConfigFile(at('quantum-ip.yaml'))
  const telemetry = await ProcessTelemetry.open(config, 'quantum-ip')
  authority = await openAuthorityPart(config, { telemetry, onEvent: () => undefined })
}

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'qip-backup-cli-'))
  await writeFile(
    at('quantum-ip.yaml'),
    'trustDomain: spiffe://acme.example\nauthority: { listen: 127.0.0.1:0 }\n',
  )
  await writeFile(at('passphrase'), 'correct horse battery staple\n')
  await start()
})

after(async () => {
  await authority.close()
  await rm(folder, { recursive: true })
})

test('backs up an authority that runs, by its socket, and checks the backup', async () => {
  const made = await qip('backup', at('one.qipbackup'))
  assert.equal(made.code, 0, made.stderr)
  assert.match(made.stdout, /^backed up .*one\.qipbackup \d+ bytes/)
  assert.match(made.stdout, /keys +not in it/)
  assert.match(made.stdout, /acme\.example\/tokens\/1: 1 entries, open/)
  const [act] = await authority.authority.acts.list(1)
  assert.deepEqual([act?.act, act?.operator], ['backup', 'local'])
})

test('names a backup in a folder by its moment, and never writes over one', async () => {
  const made = await qip('backup', folder, '--json')
  assert.match(String(made.json()['file']), /quantum-ip-\d{8}T\d{6}Z\.qipbackup$/)
  const again = await qip('backup', at('one.qipbackup'), '--json')
  assert.deepEqual([again.code, again.json()['code']], [2, 'QIP_CLI_FILE_UNWRITABLE'])
})

test('only an administrator gets one', async () => {
  const { status } = await fetch(`${authority.url}/v1/backups`, {
    method: 'POST',
    body: '{}',
    headers: { 'content-type': 'application/json' },
  })
  assert.equal(status, 401)
})

test('takes the keys only when asked, sealed, with a passphrase', async () => {
  const half = await qip('backup', at('two.qipbackup'), '--with-keys', '--json')
  assert.deepEqual([half.code, half.json()['code']], [2, 'QIP_CLI_USAGE'])
  const made = await qip(
    'backup',
    at('two.qipbackup'),
    '--with-keys',
    '--passphrase-file',
    at('passphrase'),
    '--json',
  )
  assert.equal(made.code, 0, made.stdout)
  assert.equal(made.json()['keysFile'], at('two.qipbackup.keys'))
})

test('verifies a backup and its keys, and says no to a damaged one', async () => {
  const good = await run(['backup', 'verify', at('two.qipbackup'), '--passphrase-file', at('passphrase')])
  assert.equal(good.code, 0, good.stderr)
  assert.match(good.stdout, /^good .*restored into nothing/)
  assert.match(good.stdout, /keys +\d+ open/)
  await writeFile(at('bad.qipbackup'), 'no backup')
  const bad = await run(['backup', 'verify', at('bad.qipbackup'), '--json'])
  assert.deepEqual([bad.code, bad.json()['code']], [1, 'QIP_AUTHORITY_BACKUP_DAMAGED'])
  const none = await run(['backup', 'verify', at('none.qipbackup'), '--json'])
  assert.equal(none.code, 1)
})

test('tells what a restore would do while the authority runs, and does nothing', async () => {
  const dry = await qip('restore', at('two.qipbackup'), '--dry-run')
  assert.equal(dry.code, 0, dry.stderr)
  assert.match(dry.stdout, /^can be restored/)
  assert.match(dry.stdout, /goes on acme\.example\/tokens\/1 at 1 entries/)
  const real = await qip('restore', at('two.qipbackup'), '--json')
  assert.deepEqual([real.code, real.json()['code']], [1, 'QIP_AUTHORITY_STORE_OCCUPIED'])
})

test('backs up a stopped authority from its data', async () => {
  await authority.close()
  const made = await qip('backup', at('three.qipbackup'), '--json')
  assert.equal(made.code, 0, made.stdout)
  assert.match(String(made.json()['source']), /no authority runs on it/)
})

test('restores store and keys, and the authority is the same one', async () => {
  for (const name of ['data', 'keys']) await rm(at(name), { recursive: true })
  const keys = ['--keys', at('two.qipbackup.keys')]
  const wrong = await qip(
    'restore',
    at('two.qipbackup'),
    ...keys,
    '--passphrase-file',
    at('quantum-ip.yaml'),
    '--json',
  )
  assert.deepEqual([wrong.code, wrong.json()['code']], [1, 'QIP_AUTHORITY_BACKUP_DAMAGED'])
  assert.ok(!(await readdir(folder)).includes('data'))
  const restored = await qip('restore', at('two.qipbackup'), ...keys, '--passphrase-file', at('passphrase'))
  assert.equal(restored.code, 0, restored.stderr)
  assert.match(restored.stdout, /^restored into/)
  const { root } = authority.authority
  await start()
  assert.deepEqual(
    authority.authority.root.roots.map(({ kid }) => kid),
    root.roots.map(({ kid }) => kid),
  )
})
