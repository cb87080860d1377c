import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { chmod, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { after, before, test } from 'node:test'
import { promisify } from 'node:util'
import { generatePrivateKey, privateJwk } from '@quantum-ip/crypto'
import { openKeyFile, readPassphrase } from '@quantum-ip/custody'
import { openTestAuthority, type TestAuthority } from './support/authority.ts'
import { run } from './support/run.ts'

const guide = resolve(import.meta.dirname, '../../../../docs/guides/root-ceremony.md')
const launcher = resolve(import.meta.dirname, '../bin/qip.js')

let ground: TestAuthority
const at = (name: string): string => join(ground.folder, name)

before(async () => {
  ground = await openTestAuthority()
})
after(() => ground[Symbol.asyncDispose]())

test('the commands of the written ceremony replace the root keys of a running authority', async () => {
  const text = await readFile(guide, 'utf8')
  const blocks = [...text.matchAll(/```sh\n([\s\S]*?)```/g)].map(([, block = '']) => block)
  assert.ok(blocks.length >= 8, String(blocks.length))
  // The rehearsal has a test of its own.
  const script = blocks.filter((block) => !block.includes('--rehearsal')).join('\n')
  const bin = await mkdtemp(join(tmpdir(), 'qip-bin-'))
  await writeFile(join(bin, 'qip'), `#!/bin/sh\nexec "${process.execPath}" "${launcher}" "$@"\n`)
  await chmod(join(bin, 'qip'), 0o755)
  const first = ground.authority.root
  const env = { ...process.env, PATH: `${bin}:${process.env['PATH']}` }
  const { stdout } = await promisify(execFile)('bash', ['-euc', script], {
    cwd: ground.folder,
    env,
    timeout: 300_000,
  })
  await rm(bin, { recursive: true })
  const { root } = ground.authority
  assert.deepEqual([root.sequence, root.threshold, root.roots.length], [2, 2, 3])
  assert.deepEqual([root.bundleKeys.length, root.bundleThreshold], [2, 1])
  assert.ok(root.roots.every(({ kid }) => first.roots.every((other) => other.kid !== kid)))
  const left = await readdir(at('keys'))
  assert.ok(first.roots.every(({ kid }) => !left.includes(`${kid}.key`)))
  assert.equal((await stat(at('ada/ada.key'))).mode & 0o777, 0o600)
  assert.match(stdout, /root document 2 is in force/)
})

test('the rehearsal goes through every step, and a verifier that follows is never without trust', async () => {
  const { code, stdout, stderr } = await run(['keys', 'root', '--rehearsal'])
  assert.equal(code, 0, stderr)
  assert.match(stdout, /15 steps; the verifier that followed was never without trust/)
  const json = (await run(['keys', 'root', '--rehearsal', '--json'])).json()
  assert.deepEqual([json['ok'], json['steps']], [true, 15])
})

test('the passphrase of custody is changed while the authority runs', async () => {
  await writeFile(at('custody.passphrase'), 'a passphrase for custody', { mode: 0o600 })
  const change = ['keys', 'passphrase', '--keys', at('keys'), '--to', at('custody.passphrase')]
  assert.equal((await run(change)).code, 0)
  await assert.rejects(stat(at('keys.passphrase')), { code: 'ENOENT' })
  const again = await run([...change, '--from', at('ada.passphrase'), '--json'])
  assert.deepEqual([again.code, again.json()['code']], [1, 'QIP_CUSTODY_PASSPHRASE_WRONG'])
  await ground.authority.publisher.publishKeys()
})

test('a root key in the clear, as an older version left it, is sealed and removed', async () => {
  const key = generatePrivateKey('ML-DSA-87')
  await writeFile(at('root-1.jwk'), JSON.stringify(privateJwk(key)), { mode: 0o600 })
  const sealed = ['--passphrase-file', at('ada.passphrase'), '--out', at('old')]
  const ran = await run(['keys', 'root', 'export', '--plain', at('root-1.jwk'), ...sealed, '--json'])
  assert.equal(ran.code, 0, ran.stdout)
  await assert.rejects(stat(at('root-1.jwk')), { code: 'ENOENT' })
  const file = at(`old/root-${key.publicKey.kid.slice(0, 8)}.key`)
  const opened = await openKeyFile(
    await readFile(file, 'utf8'),
    await readPassphrase({ file: at('ada.passphrase') }),
    file,
  )
  assert.equal(opened.publicKey.kid, key.publicKey.kid)
})

test('what does not fit is refused, with the code that says why', async () => {
  const passphrase = ['--passphrase-file', at('ada.passphrase')]
  const cases: readonly (readonly [args: readonly string[], code: string])[] = [
    // Of other custodians, or taken offline already.
    [
      [
        'sign',
        at('root-2.draft'),
        '--key',
        at('ada/ada.key'),
        '--passphrase-file',
        at('mary.passphrase'),
        '--out',
        at('s'),
      ],
      'QIP_CUSTODY_PASSPHRASE_WRONG',
    ],
    [
      [
        'export',
        '--keys',
        at('keys'),
        '--custody-passphrase-file',
        at('custody.passphrase'),
        ...passphrase,
        '--out',
        at('e'),
      ],
      'QIP_CLI_NOT_FOUND',
    ],
    [['export', '--keys', at('nowhere'), ...passphrase, '--out', at('e')], 'QIP_CLI_NOT_FOUND'],
    [['new', '--name', 'ada', '--out', at('ada'), ...passphrase], 'QIP_CLI_FILE_UNWRITABLE'],
    [
      ['combine', at('root-2.draft'), '--previous', at('root-1.json'), '--out', at('c')],
      'QIP_CLI_FILE_MALFORMED',
    ],
    [
      ['combine', at('ada.signature'), '--previous', at('root-1.json'), '--out', at('c')],
      'QIP_TRUST_SIGNATURES_INSUFFICIENT',
    ],
    [['init', '--previous', at('root-2.json'), '--remove-root', 'nobody', '--out', at('d')], 'QIP_CLI_USAGE'],
    [
      ['init', '--previous', at('root-2.json'), '--threshold', '9', '--out', at('d')],
      'QIP_TRUST_DOCUMENT_MALFORMED',
    ],
    [['init', '--previous', at('root-2.json'), '--threshold', 'all', '--out', at('d')], 'QIP_CLI_USAGE'],
    [['install', at('root-2.json'), '--authority', ground.socket], 'QIP_CLIENT_AUTHORITY_REFUSED'],
    [[], 'QIP_CLI_USAGE'],
  ]
  for (const [args, code] of cases) {
    const ran = await run(['keys', 'root', ...args, '--json'])
    assert.equal(ran.json()['code'], code, `${args.join(' ')}: ${ran.stdout}`)
    assert.notEqual(ran.code, 0)
  }
  for (const name of ['s', 'c', 'd', 'e']) await assert.rejects(stat(at(name)), { code: 'ENOENT' })
})

test('a draft with something that is not shown is not signed', async () => {
  const draft = JSON.parse(await readFile(at('root-2.draft'), 'utf8')) as object
  await writeFile(at('odd.draft'), JSON.stringify({ ...draft, note: 'and my cat' }))
  const sign = [
    'sign',
    at('odd.draft'),
    '--key',
    at('ada/ada.key'),
    '--passphrase-file',
    at('ada.passphrase'),
  ]
  const ran = await run(['keys', 'root', ...sign, '--out', at('s'), '--json'])
  assert.equal(ran.json()['code'], 'QIP_CLI_FILE_MALFORMED')
})

test('a key that is root of neither document is told so', async () => {
  const other = ['--name', 'eve', '--out', at('eve'), '--passphrase-file', at('ada.passphrase')]
  assert.equal((await run(['keys', 'root', 'new', ...other])).code, 0)
  const sign = ['sign', at('root-2.draft'), '--previous', at('root-1.json'), '--key', at('eve/eve.key')]
  const ran = await run([
    'keys',
    'root',
    ...sign,
    '--passphrase-file',
    at('ada.passphrase'),
    '--out',
    at('s'),
    '--json',
  ])
  assert.equal(ran.json()['code'], 'QIP_CLI_USAGE')
})
