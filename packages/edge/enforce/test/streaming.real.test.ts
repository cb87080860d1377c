import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { createReadStream, createWriteStream } from 'node:fs'
import { stat } from 'node:fs/promises'
import { connect } from 'node:net'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { needComponent, runComponent } from '../../../../scripts/real-components.ts'
import { openNginx, type RealProxy } from './support/real-proxies.ts'
import { type Scene, openScene } from './support/scene.ts'

const nginx = await needComponent('nginx')
const curl = await needComponent('curl')
const skip = nginx.skip || curl.skip

const mebibyte = 1_048_576
const sizeMiB = 100
/** What may be in flight in this process, on both sides of the gateway together. Well below the body. */
const heldMaxMiB = 24

/** An nginx that keeps files, behind a gateway: `GET` reads them, `PUT` writes them. */
interface Store extends AsyncDisposable {
  readonly scene: Scene
  readonly nginx: RealProxy
  /** Of the gateway. */
  readonly url: string
  readonly file: string
}

async function openStore(): Promise<Store> {
  const store = await openNginx(nginx, {
    server: 'root .; client_max_body_size 0; dav_methods PUT; location = /config { deny all; }',
  })
  const scene = await openScene({ route: { upstream: { url: store.url } } })
  const file = join(store.folder, 'body')
  await writeBody(file)
  return {
    scene,
    nginx: store,
    url: `http://127.0.0.1:${scene.port}`,
    file,
    async [Symbol.asyncDispose]() {
      await scene[Symbol.asyncDispose]()
      await store[Symbol.asyncDispose]()
    },
  }
}

// Every mebibyte differs, so that a lost or doubled one shows.
async function writeBody(file: string): Promise<void> {
  const part = randomBytes(mebibyte)
  const out = createWriteStream(file)
  for (let i = 0; i < sizeMiB; i++) {
    part.writeUInt32BE(i)
    if (!out.write(Buffer.from(part))) await once(out, 'drain')
  }
  out.end()
  await once(out, 'close')
}

async function digestOf(file: string): Promise<string> {
  const hash = createHash('sha256')
  for await (const chunk of createReadStream(file)) hash.update(chunk as Buffer)
  return hash.digest('hex')
}

setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc') as () => void

// What is alive, not what the process has: how soon garbage goes depends on how busy the machine is.
function liveBytes(): number {
  collect()
  const { heapUsed, external } = process.memoryUsage()
  return heapUsed + external
}

/** Watches the memory of this process, in which the gateway is, until `work` is done. */
async function watched<T>(t: TestContext, work: Promise<T>): Promise<{ result: T; heldMiB: number }> {
  const before = liveBytes()
  const rssBefore = process.memoryUsage.rss()
  let most = before
  let mostRss = rssBefore
  const timer = setInterval(() => {
    mostRss = Math.max(mostRss, process.memoryUsage.rss())
    most = Math.max(most, liveBytes())
  }, 50)
  try {
    const result = await work
    const heldMiB = (most - before) / mebibyte
    const resident = ((mostRss - rssBefore) / mebibyte).toFixed(0)
    t.diagnostic(`held ${heldMiB.toFixed(1)} MiB at most, resident ${resident} MiB more`)
    return { result, heldMiB }
  } finally {
    clearInterval(timer)
  }
}

/** Asks for the body, takes nothing of it for two seconds, and then all. */
async function readLate(
  port: number,
  token: string,
): Promise<{ readonly head: string; readonly digest: string }> {
  const socket = connect(port, '127.0.0.1')
  socket.write(`GET /body HTTP/1.1\r\nHost: a\r\nConnection: close\r\nQuantum-IP: ${token}\r\n\r\n`)
  await sleep(2_000)
  const hash = createHash('sha256')
  let head = ''
  for await (const chunk of socket as AsyncIterable<Buffer>) {
    const end = head.includes('\r\n\r\n') ? 0 : chunk.indexOf('\r\n\r\n') + 4
    head += chunk.toString('latin1', 0, end)
    hash.update(chunk.subarray(end))
  }
  return { head, digest: hash.digest('hex') }
}

const told = ['-sS', '-w', '%{http_code} %{size_download} %{size_upload}']
const carrying = ({ text }: { readonly text: string }): readonly string[] => ['-H', `Quantum-IP: ${text}`]

test(
  'a client that does not read makes the gateway wait with 100 MB of nginx, not grow',
  { skip },
  async (t) => {
    await using store = await openStore()
    const token = await store.scene.domain.issueOne()
    const { result, heldMiB } = await watched(t, readLate(store.scene.port, token.text))
    assert.match(result.head, /^HTTP\/1\.1 200 /)
    assert.equal(result.digest, await digestOf(store.file))
    assert.ok(heldMiB < heldMaxMiB, `held ${heldMiB.toFixed(0)} MiB`)
  },
)

test('curl takes 100 MB of nginx through the gateway whole', { skip }, async () => {
  await using store = await openStore()
  const token = await store.scene.domain.issueOne()
  const target = join(store.nginx.folder, 'download')
  const args = [...told, '-o', target, ...carrying(token), `${store.url}/body`]
  const { stdout, stderr } = await runComponent(curl, args)
  assert.equal(stdout.toString(), `200 ${sizeMiB * mebibyte} 0`, stderr)
  assert.equal(await digestOf(target), await digestOf(store.file))
})

test(
  'an upstream that stands still makes the sender of 100 MB wait, and nothing is lost',
  { skip },
  async (t) => {
    await using store = await openStore()
    const { domain } = store.scene
    const { url } = store
    const token = await domain.issueOne()
    store.nginx.running.signal('SIGSTOP')
    let isDone = false
    // Longer than curl waits for `100 Continue`: then it sends as fast as it is let.
    const goOn = sleep(2_500).then(() => {
      assert.equal(isDone, false)
      store.nginx.running.signal('SIGCONT')
    })
    const args = [...told, '-T', store.file, ...carrying(token), `${url}/upload`]
    const { result: outcome, heldMiB } = await watched(t, runComponent(curl, args))
    isDone = true
    await goOn
    assert.equal(outcome.stdout.toString(), `201 0 ${sizeMiB * mebibyte}`, outcome.stderr)
    assert.equal(await digestOf(join(store.nginx.folder, 'upload')), await digestOf(store.file))
    assert.ok(heldMiB < heldMaxMiB, `held ${heldMiB.toFixed(0)} MiB`)
  },
)

test('100 MB in chunks of unknown length reach nginx whole', { skip }, async () => {
  await using store = await openStore()
  const { domain } = store.scene
  const { url } = store
  const token = await domain.issueOne()
  const args = [
    '-sS',
    '-w',
    '%{http_code}',
    '-H',
    'Transfer-Encoding: chunked',
    '-T',
    store.file,
    `${url}/upload`,
  ]
  const { stdout, stderr } = await runComponent(curl, [...carrying(token), ...args])
  assert.equal(stdout.toString(), '201', stderr)
  assert.equal(await digestOf(join(store.nginx.folder, 'upload')), await digestOf(store.file))
})

test(
  'an upload without a token is refused before its body is sent, and nothing reaches nginx',
  { skip },
  async () => {
    await using store = await openStore()
    const args = [
      '-sS',
      '-w',
      '%{http_code} %{size_upload}',
      '-o',
      '/dev/null',
      '-T',
      store.file,
      `${store.url}/upload`,
    ]
    const { stdout, stderr } = await runComponent(curl, args)
    assert.match(stdout.toString(), /^401 \d{1,8}$/, stderr)
    assert.ok(Number(stdout.toString().split(' ')[1]) < (sizeMiB * mebibyte) / 2)
    await assert.rejects(stat(join(store.nginx.folder, 'upload')), { code: 'ENOENT' })
  },
)
