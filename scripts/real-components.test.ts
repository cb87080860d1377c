import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { type Component, openComponent, runComponent } from './real-components.ts'

// Node stands for a component: it is there on every machine.
const node: Component = { name: 'curl', command: process.execPath, version: process.version, skip: false }

const isAlive = (pid: number): boolean => {
  try {
    process.kill(pid, 0)
    // A process that has ended, and that nobody has asked about, is no longer there to work.
    return !/^State:\s+Z/m.test(
      existsSync(`/proc/${pid}/status`) ? readFileSync(`/proc/${pid}/status`, 'utf8') : '',
    )
  } catch {
    return false
  }
}

test('a program that cannot be had is named, with the reason, and nothing throws', () => {
  const code = `
    const { needComponent } = await import(${JSON.stringify(new URL('real-components.ts', import.meta.url).href)})
    console.log(JSON.stringify(await needComponent('chromium')))`
  // Without a path there is neither the program nor an apt-get to install it with.
  const { stdout, stderr, status } = spawnSync(process.execPath, ['--input-type=module', '-e', code], {
    env: { PATH: '/nowhere' },
    encoding: 'utf8',
  })
  assert.equal(status, 0, stderr)
  const skip = 'chromium is not here: there is no apt-get to install it with'
  assert.deepEqual(JSON.parse(stdout), { name: 'chromium', command: '', version: '', skip })
  assert.match(stderr, new RegExp(`real-components: ${skip}`))
})

test('a program that would have to be built after the time for builds is skipped and says so', () => {
  const code = `
    const { needComponent } = await import(${JSON.stringify(new URL('real-components.ts', import.meta.url).href)})
    console.log((await needComponent('helm')).skip)`
  const folder = mkdtempSync(join(tmpdir(), 'qip-components-'))
  // Node stands for the compiler, which is not called.
  symlinkSync(process.execPath, join(folder, 'go'))
  const asked = (until: string) =>
    spawnSync(process.execPath, ['--input-type=module', '-e', code], {
      env: { PATH: folder, XDG_CACHE_HOME: folder, QIP_COMPONENTS_UNTIL: until },
      encoding: 'utf8',
    })
  const past = asked(String(Math.floor(Date.now() / 1_000) - 1))
  assert.equal(past.stdout.trim(), 'helm is not here: the time for builds is over (QIP_COMPONENTS_UNTIL)')
  assert.match(asked('soon').stderr, /QIP_COMPONENTS_UNTIL is no number/)
  rmSync(folder, { recursive: true })
})

test('runs a program to its end and collects what it writes', async () => {
  const code =
    'process.stdin.pipe(process.stdout); process.stdin.on("end", () => { console.error("no"); process.exitCode = 3 })'
  const outcome = await runComponent(node, ['-e', code], { input: 'yes' })
  assert.deepEqual(
    { ...outcome, stdout: outcome.stdout.toString() },
    { status: 3, stdout: 'yes', stderr: 'no\n' },
  )
})

test('kills a program that does not end', async () => {
  const { status } = await runComponent(node, ['-e', 'setInterval(() => {}, 1000)'], { timeoutMs: 300 })
  assert.equal(status, null)
})

test('ends a server and all that it has started, also one that does not want to', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'qip-components-'))
  const file = join(folder, 'pid')
  const code = `
    const child = require('node:child_process').spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'])
    process.on('SIGTERM', () => {})
    require('node:fs').writeFileSync(${JSON.stringify(file)}, String(child.pid))
    setInterval(() => {}, 1000)`
  let pids: number[] = []
  {
    await using running = await openComponent(node, ['-e', code], {
      isReady: () => existsSync(file) && readFileSync(file, 'utf8') !== '',
    })
    pids = [running.pid, Number(readFileSync(file, 'utf8'))]
    assert.deepEqual(pids.map(isAlive), [true, true])
  }
  assert.deepEqual(pids.map(isAlive), [false, false])
  rmSync(folder, { recursive: true })
})

test('says what a server wrote that did not become ready', async () => {
  const opening = openComponent(node, ['-e', 'console.error("port in use"); process.exit(1)'], {
    isReady: () => false,
  })
  await assert.rejects(opening, /curl did not become ready: port in use/)
})
