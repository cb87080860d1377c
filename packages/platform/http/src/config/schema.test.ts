import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { verifyClosedSchema } from '../closed-schema.ts'
import { isNode, type SchemaNode } from '../lib/schema-tree.ts'
import { checkValues } from './check-values.ts'
import { configJsonSchema, configSchema } from './schema.ts'

function* fields(schema: SchemaNode, path = ''): Generator<[string, SchemaNode]> {
  const properties = schema['properties']
  if (isNode(schema['items'])) yield* fields(schema['items'], `${path}[]`)
  for (const [name, child] of Object.entries(isNode(properties) ? properties : {})) {
    if (!isNode(child)) continue
    yield [`${path}.${name}`, child]
    yield* fields(child, `${path}.${name}`)
  }
}

const all = [...fields(configSchema as unknown as SchemaNode)]

describe('the schema of quantum-ip.yaml', () => {
  it('is closed everywhere', () => {
    verifyClosedSchema(configSchema, { route: 'quantum-ip.yaml', part: 'whole' })
  })

  it('describes every key', () => {
    const silent = all.filter(
      ([name, { description }]) => description === undefined && !name.endsWith('.demand'),
    )
    assert.deepEqual(
      silent.map(([name]) => name),
      [],
    )
  })

  it('has no inline secret: a key that names one ends in File', () => {
    const telling = all.filter(
      ([name, field]) =>
        /secret|password|passphrase|credential|privateKey/i.test(name) &&
        !(name.endsWith('File') && field['x-kind'] === 'path') &&
        // The name of what systemd hands in, not what it hands in.
        name !== '.custody.systemdCredential',
    )
    assert.deepEqual(telling, [])
  })

  it('has defaults that pass their own checks', () => {
    for (const [name, field] of all) {
      if (typeof field['default'] !== 'string') continue
      assert.deepEqual(checkValues(field, field['default']), [], name)
      if (typeof field['pattern'] === 'string')
        assert.match(field['default'], new RegExp(field['pattern']), name)
      if (Array.isArray(field['enum'])) assert.ok(field['enum'].includes(field['default']), name)
    }
    assert.ok(all.length > 90, String(all.length))
  })

  it('is published as JSON Schema, with defaults and without marks of TypeBox', () => {
    const published = JSON.stringify(configJsonSchema())
    assert.ok(published.includes('https://json-schema.org/draft/2020-12/schema'))
    assert.ok(published.includes('"default":"300s"'))
    assert.ok(!published.includes('~'))
  })
})
