import assert from 'node:assert/strict'
import { test } from 'node:test'
import { eventText } from './event-text.ts'

test('tells where the passphrase was drawn into, and what to do', () => {
  assert.equal(
    eventText('custody_passphrase_drawn', { file: '/srv/keys.passphrase' }),
    'authority: the passphrase of the private keys was drawn into /srv/keys.passphrase: keep a copy elsewhere, for without it the keys are lost (custody_passphrase_drawn)',
  )
})

test('tells of rotations by number and use, with the reason and the name that runbooks search for', () => {
  const detail = { rotation: 3, use: 'qip-token', detail: 'refused by edge-1 (spiffe://acme.example/a)' }
  for (const event of [
    'rotation_held',
    'rotation_withdrawn',
    'rotation_rolled_back',
    'rotation_without_way_back',
  ]) {
    const text = eventText(event, detail)
    assert.match(text, /rotation 3 of qip-token .*refused by edge-1 \(spiffe:\/\/acme\.example\/a\)/)
    assert.ok(text.endsWith(` (${event})`), text)
  }
  assert.match(
    eventText('rotation_activated', { rotation: 3, use: 'qip-jwt', members: 2 }),
    /^authority: rotation 3 of qip-jwt: the new key signs, 2 members/,
  )
})

test('lets no name of a member through that would move the cursor of a terminal', () => {
  const text = eventText('rotation_held', { rotation: 1, use: 'qip-token', detail: 'waits for \u001B[2Jx\n' })
  assert.match(text, /waits for \?\[2Jx\?;/)
})

test('shows an event that it has no sentence for by its name and details', () => {
  assert.equal(
    eventText('instance_leads', { instance: 'a', term: 2 }),
    'authority: instance_leads {"instance":"a","term":2}',
  )
  assert.equal(eventText('toString', {}), 'authority: toString {}')
})
