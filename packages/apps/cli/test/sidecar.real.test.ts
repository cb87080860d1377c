import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { mkdir, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { test } from 'node:test'
import { type ComponentName, needComponent, runComponent } from '../../../../scripts/real-components.ts'
import { openApplication, openMesh } from './support/mesh.ts'

const guide = readFileSync(path.join(import.meta.dirname, '../../../../docs/guides/sidecar.md'), 'utf8')

interface Example {
  readonly name: ComponentName
  readonly label: string
  readonly file: string
  readonly args: readonly string[]
}

const examples: readonly Example[] = [
  { name: 'go', label: 'go', file: 'main.go', args: ['run'] },
  { name: 'python3', label: 'python', file: 'call_orders.py', args: [] },
  { name: 'java', label: 'java', file: 'CallOrders.java', args: [] },
]

/** The one block of the guide in this language, which has fifteen lines of its own. */
function exampleOf(label: string): string {
  const block = new RegExp(`^\`\`\`${label}\\n([\\s\\S]*?)^\`\`\`$`, 'm').exec(guide)?.[1] ?? ''
  const lines = block
    .split('\n')
    .filter((line) => line.trim() !== '' && !/^\s*[}\])]+$|^(?:import|package|class)\b/.test(line))
  assert.ok(lines.length > 0 && lines.length <= 15, `${label}: ${lines.length} lines`)
  return block
}

test('programs in Go, Python and Java call a service with tokens out of the workload API', async (t) => {
  await using stack = new AsyncDisposableStack()
  const mesh = stack.use(await openMesh())
  const app = await openApplication(stack, (got) => String(got['quantum-ip-status']))
  const orders = await mesh.openSidecar('orders', { yaml: `upstream: '${app.url}'` })
  const shop = await mesh.openSidecar('shop', { build: `sha256:${'a'.repeat(64)}` })
  await Promise.all([orders.untilReady(), shop.untilReady()])
  for (const { name, label, file, args } of examples) {
    const program = await needComponent(name)
    await t.test(`${label}: ${program.version}`, { skip: program.skip }, async () => {
      const folder = path.join(mesh.folder, label)
      await mkdir(folder)
      await writeFile(path.join(folder, file), exampleOf(label))
      const call = [...args, path.join(folder, file), shop.socket, `${orders.url}/cart`]
      const ran = await runComponent(program, call, { timeoutMs: 120_000 })
      assert.equal(ran.status, 0, ran.stderr)
      assert.match(
        ran.stdout.toString(),
        /^status=verified, reason=ok.*sub="spiffe:\/\/acme\.example\/shop", bld=:/,
      )
    })
  }
})

test('curl asks the workload API by the line of the guide', async (t) => {
  const curl = await needComponent('curl')
  if (curl.skip !== false) return t.skip(curl.skip)
  await using mesh = await openMesh()
  const shop = await mesh.openSidecar('shop')
  await shop.untilReady()
  const line = /^curl -s --unix-socket workload\.sock (.*)$/m.exec(guide)?.[1] ?? ''
  const words = [...line.matchAll(/'([^']*)'|(\S+)/g)].map(([, quoted, bare]) => quoted ?? bare ?? '')
  const ran = await runComponent(curl, ['-s', '--unix-socket', shop.socket, ...words])
  assert.match(ran.stdout.toString(), /^\{"token":"qip1\./)
})
