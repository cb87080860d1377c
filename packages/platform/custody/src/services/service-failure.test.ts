import assert from 'node:assert/strict'
import { test } from 'node:test'
import { loadSdk, serviceFailure } from './service-failure.ts'

test('a package that is not installed is named, with the command that installs it', async () => {
  const missing = 'quantum-ip-sdk-that-is-not-there'
  await assert.rejects(
    loadSdk('A service', missing, () => import(missing)),
    { code: 'QIP_CUSTODY_SDK_MISSING', next: `npm install ${missing} beside quantum-ip` },
  )
  const broken = new Error('broken')
  await assert.rejects(
    loadSdk('A service', missing, () => Promise.reject(broken)),
    broken,
  )
})

test('what a service says is shortened to one line', () => {
  const { message } = serviceFailure(
    'refused',
    { service: 's', operation: 'o' },
    `two\nlines ${'x'.repeat(1_000)}`,
  )
  assert.match(message, /two lines x+…$/)
  assert.ok(message.length < 300)
})
