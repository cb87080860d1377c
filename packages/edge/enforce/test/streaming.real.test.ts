import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { createReadStream, createWriteStream } from 'node:fs'
import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Component, needComponent, type Outcome, runComponent } from '../../../../scripts/real-components.ts'
import { openNginx, type RealProxy } from './support/real-proxies.ts'
import { type Scene, openScene } from './support/scene.ts'

const nginx = await needComponent('nginx')
const curl = await needComponent('curl')
const skip = nginx.skip || curl.skip

const mebibyte = 1_048_576
const sizeMiB = 100
/** What the process may grow by: what is in flight, and what the collector has not seen yet. Well below the body. */
const growthMaxMiB = 48

/** An nginx that keeps files, behind a gateway: `GET` reads them, `PUT` writes them. */
interface Store extends AsyncDisposable {
  readonly scene: Scene
  readonly nginx: RealProxy
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

/** Runs curl and watches the memory of this process, in which the gateway is. */
async function watched(run: (component: Component) => Promise<Outcome>): Promise<{ outcome: Outcome; grownMiB: number }> {
  const before = process.memoryUsage.rss()
  let most = before
  const timer = setInterval(() => {
    most = Math.max(most, process.memoryUsage.rss())
  }, 10)
  const outcome = await run(curl)
  clearInterval(timer)
  return { outcome, grownMiB: (most - before) / mebibyte }
}

const written = ['-sS', '-w', '%{http_code} %{size_download} %{size_upload}']

test('a slow reader of 100 MB from nginx makes the gateway wait, not grow', { skip }, async (t) => {
  await using store = await openStore()
  const { domain, port } = store.scene
  const token = await domain.issueOne()
  const target = join(store.nginx.folder, 'download')
  const { outcome, grownMiB } = await watched((component) =>
    runComponent(component, [
      ...[...written, '--limit-rate', '40M', '-H', `Quantum-IP: ${token.text}`, '-o', target],
      `http://127.0.0.1:${port}/body`,
    ]),
  )
  t.diagnostic(`grew by ${grownMiB.toFixed(0)} MiB`)
  assert.equal(outcome.stdout.toString(), `200 ${sizeMiB * mebibyte} 0`, outcome.stderr)
  assert.equal(await digestOf(target), await digestOf(store.file))
  assert.ok(grownMiB < growthMaxMiB, `grew by ${grownMiB.toFixed(0)} MiB`)
})

test('an upstream that stands still makes the sender of 100 MB wait, and nothing is lost', { skip }, async (t) => {
  await using store = await openStore()
  const { domain, port } = store.scene
  const token = await domain.issueOne()
  store.nginx.running.signal('SIGSTOP')
  let isDone = false
  // Longer than curl waits for `100 Continue`: then it sends as fast as it is let.
  const goOn = sleep(2_500).then(() => {
    assert.equal(isDone, false)
    store.nginx.running.signal('SIGCONT')
  })
  const { outcome, grownMiB } = await watched((component) =>
    runComponent(component, [
      ...[...written, '-H', `Quantum-IP: ${token.text}`, '-T', store.file],
      `http://127.0.0.1:${port}/upload`,
    ]),
  )
  isDone = true
  await goOn
  t.diagnostic(`grew by ${grownMiB.toFixed(0)} MiB`)
  assert.equal(outcome.stdout.toString(), `201 0 ${sizeMiB * mebibyte}`, outcome.stderr)
  assert.equal(await digestOf(join(store.nginx.folder, 'upload')), await digestOf(store.file))
  assert.ok(grownMiB < growthMaxMiB, `grew by ${grownMiB.toFixed(0)} MiB`)
})

test('100 MB in chunks of unknown length reach nginx whole', { skip }, async () => {
  await using store = await openStore()
  const { domain, port } = store.scene
  const token = await domain.issueOne()
  const { stdout, stderr } = await runComponent(curl, [
    ...['-sS', '-w', '%{http_code}', '-H', `Quantum-IP: ${token.text}`, '-H', 'Transfer-Encoding: chunked'],
    ...['-T', store.file, `http://127.0.0.1:${port}/upload`],
  ])
  assert.equal(stdout.toString(), '201', stderr)
  assert.equal(await digestOf(join(store.nginx.folder, 'upload')), await digestOf(store.file))
})

test('an upload without a token is refused before its body is sent, and nothing reaches nginx', { skip }, async () => {
  await using store = await openStore()
  const { stdout, stderr } = await runComponent(curl, [
    ...['-sS', '-w', '%{http_code} %{size_upload}', '-o', '/dev/null', '-T', store.file],
    `http://127.0.0.1:${store.scene.port}/upload`,
  ])
  assert.match(stdout.toString(), /^401 \d{1,8}$/, stderr)
  assert.ok(Number(stdout.toString().split(' ')[1]) < (sizeMiB * mebibyte) / 2)
  await assert.rejects(stat(join(store.nginx.folder, 'upload')), { code: 'ENOENT' })
})
