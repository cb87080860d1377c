import assert from 'node:assert/strict'
import { test } from 'node:test'
import { closed, documentOf, facts, policyOf } from '../test/samples.ts'
import {
  type EngineAnswer,
  type PolicyEngine,
  PolicyError,
  asksEngine,
  decide,
  decideWith,
  findCounterfactuals,
  parsePolicy,
} from './index.ts'

function answering(...answers: (EngineAnswer | Promise<EngineAnswer>)[]): { asked: number } & PolicyEngine {
  return {
    asked: 0,
    ask() {
      return answers[this.asked++] ?? { kind: 'silent' }
    },
    close: () => Promise.resolve(),
  }
}

const says = (action: 'allow' | 'reject' | 'quarantine', rule: string | null = null): EngineAnswer => ({
  kind: 'decided',
  action,
  rule,
})
const away: EngineAnswer = { kind: 'unavailable', fault: 'timeout' }
const rules = [{ name: 'writes', when: 'request.method == "POST"', action: 'reject' }]

test('asks the engine where no rule decides, and the defaults where that says nothing', async () => {
  const policy = policyOf({ rules, engine: { name: 'central' } })
  const engine = answering(Promise.resolve(says('quarantine', 'old')), says('reject'), { kind: 'silent' })
  const engines = new Map([['central', engine]])
  const outcome = async (replaced = {}) => {
    const { action, reason, rule } = await decideWith(policy, facts('ok', replaced), engines)
    return `${action} ${reason} ${rule ?? '-'}`
  }
  assert.equal(await outcome({ 'request.method': 'POST' }), 'reject rule writes')
  assert.equal(engine.asked, 0)
  assert.equal(await outcome(), 'quarantine engine old')
  assert.equal(await outcome(), 'reject engine -')
  assert.equal(await outcome(), 'allow default -')
  assert.deepEqual(decideWith(policy, facts('ok'), engines), decide(policyOf({ rules }), facts('ok')))
})

test('never lets an engine speak for a verdict that its policy does not name, and does not ask it', () => {
  const engine = answering(says('allow'), says('allow'), says('quarantine'), says('allow'))
  const engines = new Map([['central', engine]])
  const plain = policyOf({ engine: { name: 'central' } })
  for (const reason of [
    'token_absent',
    'token_expired',
    'trust_stale',
    'ok_shallow',
    'overloaded',
  ] as const) {
    const decided = decideWith(plain, facts(reason), engines)
    assert.ok(!(decided instanceof Promise))
    assert.equal(decided.action, 'reject', reason)
  }
  assert.equal(engine.asked, 0)
  const named = policyOf({ engine: { name: 'central', reasons: ['token_absent', 'trust_stale'] } })
  assert.equal(decide(named, facts('ok'), undefined, says('quarantine')).action, 'quarantine')
  const stale = facts('trust_stale', {}, { authenticated: true })
  assert.equal(decide(named, stale, undefined, says('allow')).action, 'allow')
  assert.equal(decide(named, facts('token_absent'), undefined, says('allow')).reason, 'not_accepted')
  assert.equal(decide(named, facts('token_absent'), undefined, says('quarantine')).action, 'quarantine')
  const anonymous = policyOf({ engine: { name: 'central', anonymous: true } })
  assert.equal(decide(anonymous, facts('token_absent'), undefined, says('allow')).action, 'allow')
})

test('rejects while the engine gives no answer, unless the policy fails open by name', () => {
  const shut = policyOf({ engine: { name: 'central' } })
  const open = policyOf({ engine: { name: 'central', onUnavailable: 'default' } })
  const outcome = (policy: typeof shut, answer?: EngineAnswer) => {
    const { action, reason } = decide(policy, facts('ok'), undefined, answer)
    return `${action} ${reason}`
  }
  assert.equal(outcome(shut, away), 'reject engine_unavailable')
  assert.equal(outcome(shut), 'reject engine_unavailable')
  assert.equal(outcome(open, away), 'allow engine_unavailable')
  const missing = decideWith(shut, facts('ok'), new Map())
  assert.ok(!(missing instanceof Promise) && missing.reason === 'engine_unavailable')
  const monitored = policyOf({ mode: 'monitor', engine: { name: 'central' } })
  assert.deepEqual(
    [decide(monitored, facts('ok'), undefined, away).action, decide(monitored, facts('ok')).wouldBe],
    ['allow', 'reject'],
  )
})

test('says of what an engine decides nothing that it cannot know', () => {
  const policy = policyOf({ rules, engine: { name: 'central' } })
  assert.equal(asksEngine(policy, facts('ok')), true)
  assert.equal(asksEngine(policy, facts('ok', { 'request.method': 'POST' })), false)
  assert.equal(asksEngine(policyOf({ rules }), facts('ok')), false)
  assert.deepEqual(findCounterfactuals(policy, facts('ok')), [])
})

test('refuses an engine without a name, with keys that it does not have, or for overload', () => {
  const cases: [unknown, string][] = [
    [{}, 'QIP_POLICY_KEY_MISSING'],
    [{ name: 'a', onUnavailable: 'allow' }, 'QIP_POLICY_VALUE_INVALID'],
    [{ name: 'a', url: 'http://x' }, 'QIP_POLICY_KEY_UNKNOWN'],
    [{ name: 'a', reasons: ['overloaded'] }, 'QIP_POLICY_NOT_NAMED'],
    ['central', 'QIP_POLICY_VALUE_INVALID'],
  ]
  for (const [engine, code] of cases) {
    assert.throws(
      () => parsePolicy(documentOf({ default: closed, engine })),
      (error) => error instanceof PolicyError && error.code === code,
    )
  }
})
