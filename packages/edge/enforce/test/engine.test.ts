import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isQipError } from '@quantum-ip/base'
import type { EngineAnswer, PolicyEngine } from '@quantum-ip/policy'
import { openScene, policyOf } from './support/scene.ts'

// A real OPA answers in `packages/apps/cli/test/opa.real.test.ts`; here an engine answers what it is told to.
function engineOf(answers: readonly EngineAnswer[], isLater: boolean): ReadonlyMap<string, PolicyEngine> {
  let at = 0
  const engine: PolicyEngine = {
    ask() {
      const answer = answers[at++] as EngineAnswer
      return isLater ? Promise.resolve(answer) : answer
    },
    close: () => Promise.resolve(),
  }
  return new Map([['central', engine]])
}

const answers: readonly EngineAnswer[] = [
  { kind: 'decided', action: 'reject', rule: 'writes' },
  { kind: 'decided', action: 'allow', rule: null },
  { kind: 'silent' },
  { kind: 'unavailable', fault: 'timeout' },
]

for (const isLater of [false, true]) {
  test(`does what an engine says ${isLater ? 'later' : 'at once'}, and rejects without an answer (a fake engine)`, async () => {
    await using scene = await openScene({
      policies: [policyOf({ engine: { name: 'central' } })],
      engines: engineOf(answers, isLater),
    })
    const statuses: number[] = []
    for (const _ of answers) {
      const { text: token } = await scene.domain.issueOne()
      statuses.push((await scene.ask({ token })).status)
    }
    assert.deepEqual(statuses, [403, 200, 200, 403])
    assert.deepEqual(
      scene.records.map(({ decidedBy, rule, action }) => `${decidedBy} ${rule ?? '-'} ${action}`),
      ['engine writes reject', 'engine - allow', 'default - allow', 'engine_unavailable - reject'],
    )
    assert.equal((await scene.ask()).status, 401)
  })
}

test('says that something was let through without its engine', async () => {
  await using scene = await openScene({
    policies: [policyOf({ engine: { name: 'central', onUnavailable: 'default' } })],
    engines: engineOf([{ kind: 'unavailable', fault: 'unreachable' }], true),
  })
  const { text: token } = await scene.domain.issueOne()
  assert.equal((await scene.ask({ token })).status, 200)
  assert.deepEqual(scene.records[0]?.failOpen, ['engine_unavailable'])
})

test('does not take a policy whose engine is not there', async () => {
  await using scene = await openScene()
  const policies = new Map([['default', policyOf({ engine: { name: 'central' } })]])
  assert.throws(
    () => scene.gateway.usePolicies(policies),
    (error) =>
      isQipError(error, 'QIP_ENFORCE_ROUTE_INVALID') && error.message.includes('the engine `central`'),
  )
})
