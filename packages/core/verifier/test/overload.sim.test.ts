import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createTestDomain } from './fixture.ts'

test('sheds signatures that are too many as overloaded, those for services that matter less first, and none that is held', async () => {
  const domain = await createTestDomain()
  const verifier = domain.verifier({ signatures: { atOnce: 1, waitingMax: 4, waitMsMax: 1_000 } })
  const jwts = await Promise.all(Array.from({ length: 20 }, () => domain.issueJwt()))
  const held = await domain.issueOne()
  const ask = async (text: string, priority: number) =>
    verifier.verify(domain.input(text, { acceptJwt: true, priority }))
  const low = jwts.slice(0, 10).map((text) => ask(text, 2))
  const critical = jwts.slice(10, 14).map((text) => ask(text, 0))
  assert.equal(verifier.stats().signaturesWaiting, 4)
  const now = verifier.verify(domain.input(held.text))
  assert.ok(!(now instanceof Promise), 'a held head waits for nobody')
  assert.equal(now.reason, 'ok')
  const reasons = async (asked: readonly ReturnType<typeof ask>[]) =>
    (await Promise.all(asked)).map(({ reason }) => reason)
  assert.deepEqual(await reasons(critical), ['ok', 'ok', 'ok', 'ok'])
  // One was under way; those that waited gave way to the critical ones.
  assert.deepEqual(await reasons(low), ['ok', ...Array.from({ length: 9 }, () => 'overloaded')])
  assert.deepEqual([verifier.stats().signaturesWaiting, verifier.stats().pending], [0, 0])
})

test('checks a head once for all that wait for it, and before the JWTs', async () => {
  const domain = await createTestDomain()
  const verifier = domain.verifier({ signatures: { atOnce: 1, waitingMax: 2 } })
  const jwts = await Promise.all([1, 2, 3].map(() => domain.issueJwt()))
  const tokens = await domain.issue(
    Array.from({ length: 30 }, () => ({})),
    { form: 'standalone', publish: false },
  )
  const order: string[] = []
  const ask = async (text: string, name: string): Promise<void> => {
    const { reason } = await verifier.verify(domain.input(text, { acceptJwt: true, acceptStandalone: true }))
    order.push(`${name} ${reason}`)
  }
  await Promise.all([
    ...jwts.map((text) => ask(text, 'jwt')),
    ...tokens.map(({ text }) => ask(text, 'standalone')),
  ])
  assert.equal(order.filter((each) => each === 'standalone ok').length, 30)
  assert.ok(order.indexOf('standalone ok') < order.lastIndexOf('jwt ok'))
})
