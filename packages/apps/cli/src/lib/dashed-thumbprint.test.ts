import assert from 'node:assert/strict'
import { test } from 'node:test'
import { dashedThumbprint } from './dashed-thumbprint.ts'

const dashed = '-aPMb0tW6spuqrQsdXNr0Vx_cnWEv3uOpyFlRTBRpa8'

test('a thumbprint that begins like an option is no option', () => {
  assert.deepEqual(dashedThumbprint(['revoke', 'key', dashed, '--reason', 'stolen']), [
    'revoke',
    'key',
    '--reason',
    'stolen',
    '--',
    dashed,
  ])
})

test('what belongs to an option, or stands behind `--` already, stays where it is', () => {
  for (const args of [
    ['verify', 'x.tgz', '--root', dashed],
    ['investigate', '--json', '--', dashed],
    ['keys', 'list', '-h'],
  ])
    assert.deepEqual(dashedThumbprint(args), args)
})
