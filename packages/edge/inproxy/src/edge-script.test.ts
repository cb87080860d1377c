import assert from 'node:assert/strict'
import { test } from 'node:test'
import { edgeScript } from './edge-script.ts'

for (const kind of ['nginx', 'worker'] as const) {
  test(`the script for ${kind} is one file of unique names, without imports or types`, async () => {
    const text = edgeScript(kind)
    const names = [...text.matchAll(/^(?:async )?(?:function|const|let|class) (\w+)/gm)].map(
      ([, name]) => name,
    )
    assert.equal(names.length, new Set(names).size, names.join(' '))
    assert.doesNotMatch(text, /^import |^export (?:function|const|class|interface|type)/m)
    // What is no plain JavaScript does not load.
    const loaded = await import(`data:text/javascript,${encodeURIComponent(text)}`)
    assert.equal(typeof (kind === 'nginx' ? loaded.default.decide : loaded.createEdgeHandler), 'function')
  })
}
