import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readYaml } from '@quantum-ip/http'
import { compileReadPolicy, newPolicy } from '@quantum-ip/policy'
import { addException } from './add-exception.ts'

const exception = {
  name: 'cutover',
  owner: 'team-shop',
  reason: 'CHG-1: the registry moves',
  expires: '2026-12-01T18:00:00Z',
  when: 'identity == "spiffe://acme.example/ns/prod/sa/shop"',
  action: 'allow',
}

test('an exception is added to the text of a policy, whose comments stay', () => {
  const text = newPolicy('shop')
  const once = addException(text, { version: 2, exception })
  const twice = addException(once, { version: 3, exception: { ...exception, name: 'second' } })
  const { document } = compileReadPolicy(readYaml(twice, { source: 'test' }))
  assert.equal(document.version, 3)
  assert.deepEqual(
    document.exceptions.map(({ name, owner }) => `${name} ${owner}`),
    ['cutover team-shop', 'second team-shop'],
  )
  for (const comment of text.match(/# .*/g) ?? []) assert.ok(twice.includes(comment), comment)
})

test('a text that is no policy takes no exception', () => {
  assert.throws(() => addException('spec: 1', { version: 2, exception }), { code: 'QIP_CLI_FILE_MALFORMED' })
})
