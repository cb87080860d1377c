import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { rm } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { createInterface } from 'node:readline'
import { after, before, test } from 'node:test'
import { formatSubmission } from '@quantum-ip/mirror'
import { openTestAuthority, type TestAuthority } from './support/authority.ts'
import { run } from './support/run.ts'

const launcher = resolve(import.meta.dirname, '../bin/qip.js')

let ground: TestAuthority
const at = (name: string) => join(ground.folder, name)

before(async () => {
  ground = await openTestAuthority()
})

after(async () => {
  await ground[Symbol.asyncDispose]()
})

/** A `qip` that goes on running, and its first answer. */
interface Going extends AsyncDisposable {
  readonly answer: Record<string, unknown>
}

async function start(...args: string[]): Promise<Going> {
  const child: ChildProcess = spawn(process.execPath, [launcher, ...args, '--json'], {
    cwd: ground.folder,
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let said = ''
  child.stderr?.on('data', (chunk: Buffer) => (said += chunk.toString()))
  assert.ok(child.stdout)
  for await (const line of createInterface(child.stdout)) {
    return {
      answer: JSON.parse(line) as Record<string, unknown>,
      async [Symbol.asyncDispose]() {
        child.kill('SIGTERM')
        const [code] = (await once(child, 'exit')) as [number | null]
        assert.equal(code, 0, said)
      },
    }
  }
  throw new Error(said)
}

test('a witness draws its keys, cosigns for the trust domain, and shows a fork afterwards', async () => {
  const folder = at('witness')
  const vkeys = await run([
    'ledger',
    'witness',
    'vkey',
    '--folder',
    folder,
    '--name',
    'witness.example/1',
    '--json',
  ])
  assert.equal(vkeys.code, 0, vkeys.stderr)
  const algorithms = (vkeys.json()['vkeys'] as { alg: string }[]).map(({ alg }) => alg)
  assert.deepEqual(algorithms, ['ML-DSA-44', 'Ed25519'])
  assert.equal((await run(['ledger', 'witness', 'report', '--folder', folder])).code, 0)
  {
    const args = ['--folder', folder, '--listen', '127.0.0.1:0', '--authority', ground.socket]
    await using witness = await start('ledger', 'witness', ...args)
    assert.equal(witness.answer['name'], 'witness.example/1')
    const submit = async (old: number, note: string) => {
      const body = formatSubmission({ old, proof: [], note })
      return (await fetch(`${String(witness.answer['url'])}/add-checkpoint`, { method: 'POST', body })).status
    }
    const { registry, keys } = ground.authority
    const { note } = await registry.ledger.checkpoint()
    assert.equal(await submit(0, note), 200)
    const held = keys.list().find(({ record }) => record.log === registry.origin)
    const signer = await keys.signer(held?.record.key.kid ?? '')
    const { signCheckpoint } = await import('@quantum-ip/log')
    const by = { name: registry.origin, type: 6, signer, timestampS: 1 } as const
    const forked = await signCheckpoint({ origin: registry.origin, size: 1, root: new Uint8Array(32) }, [by])
    assert.equal(await submit(1, forked), 422)
  }
  const report = await run(['ledger', 'witness', 'report', '--folder', folder, '--json'])
  assert.equal(report.code, 1)
  const [fork] = report.json()['forks'] as { proven: boolean; sizes: number[] }[]
  assert.deepEqual([fork?.proven, fork?.sizes], [true, [1, 1]])
  assert.match(
    (await run(['ledger', 'witness', 'report', '--folder', folder])).stdout,
    /two checkpoints alone/,
  )
})

test('a witness wants a name at its first start, and keeps it', async () => {
  const nameless = await run(['ledger', 'witness', 'vkey', '--folder', at('nameless'), '--json'])
  assert.deepEqual([nameless.code, nameless.json()['code']], [2, 'QIP_MIRROR_FILE_MALFORMED'])
  const renamed = await run([
    'ledger',
    'witness',
    'vkey',
    '--folder',
    at('witness'),
    '--name',
    'other',
    '--json',
  ])
  assert.deepEqual([renamed.code, renamed.json()['code']], [2, 'QIP_MIRROR_FILE_MALFORMED'])
})

test('a mirror catches up once, then serves; other commands read from it, and it starts again without the authority', async () => {
  const args = ['ledger', 'mirror', '--folder', at('mirror'), '--authority', ground.socket]
  const caughtUp = await run([...args, '--once', '--json'])
  assert.equal(caughtUp.code, 0, caughtUp.stdout + caughtUp.stderr)
  const logs = caughtUp.json()['logs'] as { origin: string; size: number }[]
  assert.deepEqual(
    new Set(logs.map(({ origin }) => origin)),
    new Set(['acme.example/attestations/1', 'acme.example/tokens/1']),
  )
  const gone = ['--authority', `unix:${at('nobody.sock')}`]
  await using mirror = await start(
    'ledger',
    'mirror',
    '--folder',
    at('mirror'),
    '--listen',
    '127.0.0.1:0',
    ...gone,
  )
  const url = String(mirror.answer['url'])
  const pins = ground.authority.root.roots.flatMap(({ kid }) => ['--root', kid])
  const verified = await run(['ledger', 'verify', 'attestations/1', '--authority', url, ...pins, '--json'])
  assert.equal(verified.code, 0, verified.stdout + verified.stderr)
  assert.equal(verified.json()['ok'], true)
  assert.equal((await run([...args, '--report'])).code, 0)
})

test('a mirror that was never there cannot start without the authority', async () => {
  await rm(at('empty'), { recursive: true, force: true })
  const away = ['--authority', `unix:${at('nobody.sock')}`]
  const { code } = await run(['ledger', 'mirror', '--folder', at('empty'), '--once', ...away, '--json'])
  assert.equal(code, 3)
})
