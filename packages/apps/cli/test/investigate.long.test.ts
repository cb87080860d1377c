import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { headerNames } from '@quantum-ip/token'
import { stealIssuingKey } from '../src/drills/key-thief.ts'
import { openTestAuthority } from './support/authority.ts'
import { run } from './support/run.ts'

const td = 'spiffe://acme.example/ns/prod/sa'

test('a token of a stolen issuing key is in no log, which the next signed state proves', async () => {
  await using ground = await openTestAuthority()
  const keys = join(ground.folder, 'keys')
  const thief = await stealIssuingKey(ground.url, { keys, into: join(ground.folder, 'thief') })
  const forged = await thief.forge({ sub: `${td}/checkout`, aud: `${td}/shop` })
  const token = forged[headerNames.token] ?? ''
  const { code, stdout } = await run(['investigate', '-', '--authority', ground.socket, '--json'], token)
  const { outcome, conclusion } = JSON.parse(stdout) as { outcome: string; conclusion: string }
  assert.deepEqual([code, outcome], [1, 'contradicted'])
  assert.match(
    conclusion,
    /^token 1000000 of acme\.example\/tokens\/1 is not in its log: the log has \d+ entries$/,
  )
  assert.ok(!stdout.includes(token))
})
