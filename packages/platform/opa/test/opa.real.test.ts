import assert from 'node:assert/strict'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { type AddressInfo, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { isQipError } from '@quantum-ip/base'
import { type Facts, type PolicyEngine, asksEngine, decide, decideWith } from '@quantum-ip/policy'
import {
  type RunningComponent,
  needComponent,
  openComponent,
  runComponent,
} from '../../../../scripts/real-components.ts'
import { openOpaServer, openOpaWasm } from '../src/index.ts'
import { celPolicy, drawFacts, regoPolicy, regoText } from './same-policy.ts'

const opa = await needComponent('opa')
const skip = { skip: opa.skip }

let folder = ''
let port = 0
let server: RunningComponent | undefined

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'qip-opa-'))
  await writeFile(join(folder, 'policy.rego'), regoText)
  if (opa.skip !== false) return
  port = await freePort()
  server = await openServer(join(folder, 'policy.rego'))
})

after(async () => {
  await server?.[Symbol.asyncDispose]()
  await rm(folder, { recursive: true })
})

async function freePort(): Promise<number> {
  const probe = createServer().listen(0, '127.0.0.1')
  await new Promise((resolve) => {
    probe.once('listening', resolve)
  })
  const { port } = probe.address() as AddressInfo
  await new Promise((resolve) => {
    probe.close(resolve)
  })
  return port
}

function openServer(file: string): Promise<RunningComponent> {
  const args = [
    'run',
    '--server',
    '--addr',
    `127.0.0.1:${port}`,
    '--log-level',
    'error',
    '--disable-telemetry',
    file,
  ]
  return openComponent(opa, args, {
    isReady: () =>
      fetch(`http://127.0.0.1:${port}/health`).then(
        ({ ok }) => ok,
        () => false,
      ),
  })
}

async function build(rego: string, entry = 'quantum_ip/decision'): Promise<Uint8Array<ArrayBuffer>> {
  const made = await mkdtemp(join(folder, 'build-'))
  await writeFile(join(made, 'policy.rego'), rego)
  const bundle = join(made, 'bundle.tar.gz')
  const args = ['build', '-t', 'wasm', '-e', entry, '-o', bundle, join(made, 'policy.rego')]
  const { status, stderr } = await runComponent(opa, args)
  assert.equal(status, 0, stderr)
  const tar = await needComponent('tar')
  const extracted = await runComponent(tar, ['-xzf', bundle, '-C', made, '/policy.wasm'])
  assert.equal(extracted.status, 0, extracted.stderr)
  return new Uint8Array(await readFile(join(made, 'policy.wasm')))
}

async function sameDecisions(engine: PolicyEngine, count: number): Promise<Map<string, number>> {
  const engines = new Map([['central', engine]])
  const seen = new Map<string, number>()
  const all = drawFacts(count)
  const compare = async (facts: Facts): Promise<void> => {
    const cel = decide(celPolicy, facts)
    const rego = await decideWith(regoPolicy, facts, engines)
    assert.equal(rego.wouldBe, cel.wouldBe, JSON.stringify(facts))
    if (asksEngine(regoPolicy, facts)) assert.equal(rego.rule, cel.rule, JSON.stringify(facts))
    const key = `${cel.wouldBe} ${cel.rule ?? cel.reason}`
    seen.set(key, (seen.get(key) ?? 0) + 1)
  }
  for (let at = 0; at < all.length; at += 32)
    await Promise.all(all.slice(at, at + 32).map((facts) => compare(facts)))
  return seen
}

test('decides 10,000 drawn inputs in Rego on a real server as in CEL', skip, async () => {
  const engine = openOpaServer({
    url: `http://127.0.0.1:${port}`,
    path: 'quantum_ip/decision',
    timeoutMs: 10_000,
  })
  const seen = await sameDecisions(engine, 10_000)
  await engine.close()
  assert.ok(seen.size >= 7, [...seen].join())
})

test('decides 10,000 drawn inputs in Rego that opa compiled to WebAssembly as in CEL', skip, async () => {
  const module = await build(regoText)
  const engine = await openOpaWasm({ module, file: 'policy.wasm', path: 'quantum_ip/decision' })
  const seen = await sameDecisions(engine, 10_000)
  assert.ok(seen.size >= 7, [...seen].join())
})

test('rejects when the server is killed, and goes on when it is back', skip, async () => {
  const engine = openOpaServer({
    url: `http://127.0.0.1:${port}`,
    path: 'quantum_ip/decision',
    timeoutMs: 2_000,
  })
  const engines = new Map([['central', engine]])
  const facts = drawFacts(200).find(
    (one) => decide(celPolicy, one).rule === 'admin-writes' && asksEngine(regoPolicy, one),
  )
  assert.ok(facts)
  const ask = async () => {
    const { action, reason } = await decideWith(regoPolicy, facts, engines)
    return `${action} ${reason}`
  }
  assert.equal(await ask(), 'reject engine')
  server?.signal('SIGKILL')
  await server?.[Symbol.asyncDispose]()
  assert.equal(await ask(), 'reject engine_unavailable')
  server = await openServer(join(folder, 'policy.rego'))
  assert.equal(await ask(), 'reject engine')
  await engine.close()
})

test('does not wait for a server that has stopped, longer than the time-out', skip, async () => {
  const told: string[] = []
  const url = `http://127.0.0.1:${port}`
  const engine = openOpaServer({
    url,
    path: 'quantum_ip/decision',
    timeoutMs: 100,
    onAnswer: (outcome) => told.push(outcome),
  })
  const [facts] = drawFacts(1)
  server?.signal('SIGSTOP')
  try {
    assert.deepEqual(await engine.ask(facts as Facts), { kind: 'unavailable', fault: 'timeout' })
  } finally {
    server?.signal('SIGCONT')
  }
  assert.deepEqual(told, ['timeout'])
  await engine.close()
})

test('leaves to the defaults what a server has no document for', skip, async () => {
  const engine = openOpaServer({
    url: `http://127.0.0.1:${port}`,
    path: 'quantum_ip/nothing',
    timeoutMs: 5_000,
  })
  assert.deepEqual(await engine.ask(drawFacts(1)[0] as Facts), { kind: 'silent' })
  await engine.close()
})

test('refuses a module that needs a function of its host, or lacks the entry point', skip, async () => {
  const asking =
    'package quantum_ip\n\ndecision := "allow" if http.send({"method": "GET", "url": "http://x"}).status_code == 200\n'
  await assert.rejects(
    openOpaWasm({ module: await build(asking), file: 'p.wasm', path: 'quantum_ip/decision' }),
    (error) => isQipError(error, 'QIP_OPA_MODULE_INVALID') && error.message.includes('`http.send`'),
  )
  await assert.rejects(
    openOpaWasm({ module: await build(regoText), file: 'p.wasm', path: 'quantum_ip/other' }),
    (error) => isQipError(error, 'QIP_OPA_MODULE_INVALID') && error.next === 'it has `quantum_ip/decision`',
  )
})

test('goes on after an evaluation that ran out of memory', skip, async () => {
  const greedy = `package quantum_ip

decision := "reject" if {
  input["request.path"] == "/big"
  count([x | some i in numbers.range(1, 3000); some j in numbers.range(1, 3000); x := [i, j]]) > 0
}
`
  const engine = await openOpaWasm({
    module: await build(greedy),
    file: 'p.wasm',
    path: 'quantum_ip/decision',
  })
  const [facts] = drawFacts(1)
  const big = { ...facts, 'request.path': '/big' } as Facts
  const small = { ...facts, 'request.path': '/' } as Facts
  assert.deepEqual(await engine.ask(big), { kind: 'unavailable', fault: 'failed' })
  assert.deepEqual(await engine.ask(small), { kind: 'silent' })
})
