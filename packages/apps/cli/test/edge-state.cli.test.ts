import assert from 'node:assert/strict'
import { test } from 'node:test'
import { run } from './support/run.ts'

test('qip edge-state prints the scripts, and says what it needs', async () => {
  const nginx = await run(['edge-state', '--script', 'nginx'])
  assert.match(nginx.stdout, /^\/\/ Quantum IP: [^]*\nexport default \{ decide \}\n$/)
  const worker = (await run(['edge-state', '--script', 'worker', '--json'])).json()
  assert.match(String(worker['script']), /export \{ createEdgeHandler \}\n$/)
  const wrong = await run(['edge-state', '--script', 'lua'])
  assert.deepEqual([wrong.code, /--script nginx/.test(wrong.stderr)], [2, true], wrong.stderr)
  assert.match((await run(['edge-state'])).stderr, /qip edge-state --out/)
})
