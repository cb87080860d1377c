import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type CompiledPolicy, builtinPolicy } from '@quantum-ip/policy'
import type { DecisionInput, Span } from '@quantum-ip/telemetry'
import { parseStatus, tracestateHint } from '@quantum-ip/token'
import { type TestDomain, createTestDomain } from '../../../core/verifier/test/fixture.ts'
import {
  EnforcementPoint,
  type Outcome,
  type PointOptions,
  type PointRequest,
  type ServiceTerms,
  createPointRoute,
  readCarried,
  removedNames,
} from '../src/index.ts'

const at = {
  method: 'GET',
  scheme: 'https',
  authority: 'shop.acme.example',
  target: '/cart?x=1',
  host: 'shop.acme.example',
  path: '/cart',
} as const

function scene(
  domain: TestDomain,
  options: Partial<PointOptions> & { terms?: Partial<ServiceTerms>; policy?: CompiledPolicy } = {},
) {
  const { terms, policy = builtinPolicy, ...rest } = options
  const inputs: DecisionInput[] = []
  const decisions = { record: (input: DecisionInput) => `edge-1-${inputs.push(input)}` }
  const point = new EnforcementPoint({
    verifier: domain.verifier(),
    clock: domain.clock,
    decisions,
    ...rest,
  })
  const route = createPointRoute({
    place: { point: 'edge-1' },
    terms: { service: domain.shop, ...terms },
    policy,
  })
  const judge = async (fields: readonly string[], more: Partial<PointRequest> = {}): Promise<Outcome> =>
    point.judge({ at, carried: readCarried(fields), ...more }, route)
  return { point, route, inputs, judge }
}

function named(fields: readonly string[], name: string): string | undefined {
  const i = fields.indexOf(name)
  return i < 0 ? undefined : fields[i + 1]
}

test('an admitted request gets what was found, keeps its trace and loses its token', async () => {
  const domain = await createTestDomain()
  const { judge, inputs } = scene(domain)
  const token = await domain.issueOne()
  const outcome = await judge([
    'quantum-ip',
    token.text,
    'quantum-ip-status',
    'verified',
    'tracestate',
    `a=1,qip=${tracestateHint(domain.shop)}`,
    'traceparent',
    '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01',
  ])
  assert.ok(outcome.action === 'allow')
  assert.equal(outcome.decisionId, 'edge-1-1')
  assert.equal(inputs[0]?.verdict, outcome.verdict)
  assert.equal(inputs[0]?.traceId, '4bf92f3577b34da6a3ce929d0e0e4736')
  const status = parseStatus(named(outcome.fields, 'quantum-ip-status') ?? '')
  assert.deepEqual([status.status, status.sub, status.id], ['verified', domain.web, 'edge-1-1'])
  assert.equal(named(outcome.fields, 'tracestate'), 'a=1')
  assert.deepEqual(removedNames(outcome.fields), ['quantum-ip', 'quantum-ip-head', 'workload-proof-token'])
})

test('a route that forwards tokens keeps token, head, proof and hint, and takes nothing else off', async () => {
  const domain = await createTestDomain()
  const { judge } = scene(domain, { terms: { forwardToken: true } })
  const token = await domain.issueOne()
  const hint = `qip=${tracestateHint(domain.shop)}`
  const outcome = await judge([
    'quantum-ip',
    token.text,
    'quantum-ip-head',
    token.staple,
    'tracestate',
    hint,
    'traceparent',
    'not one',
    'workload-proof-token',
    'a proof',
  ])
  assert.ok(outcome.action === 'allow')
  assert.equal(named(outcome.fields, 'workload-proof-token'), 'a proof')
  assert.equal(named(outcome.fields, 'quantum-ip'), token.text)
  assert.equal(named(outcome.fields, 'quantum-ip-head'), token.staple)
  assert.equal(named(outcome.fields, 'tracestate'), hint)
  assert.deepEqual(removedNames(outcome.fields), [])
})

test('a refusal says why to those who proved who they are, and to those inside', async () => {
  const domain = await createTestDomain()
  const { judge } = scene(domain)
  const outside = await judge([])
  assert.ok(outside.action === 'reject')
  assert.equal(outside.answer.status, 401)
  assert.doesNotMatch(outside.answer.body, /token_absent/)
  const inside = await judge([], { explains: true })
  assert.ok(inside.action === 'reject')
  assert.match(inside.answer.body, /token_absent/)
  assert.match(named(inside.answer.fields, 'www-authenticate') ?? '', /token_absent/)
})

test('two tokens are refused, also two equal ones', async () => {
  const domain = await createTestDomain()
  const { judge } = scene(domain)
  const { text } = await domain.issueOne()
  const outcome = await judge(['quantum-ip', text, 'quantum-ip', text])
  assert.deepEqual([outcome.action, outcome.verdict.reason], ['reject', 'token_malformed'])
})

test('to examine records nothing and hands nothing to anybody', async () => {
  const domain = await createTestDomain()
  const spans: Span[] = []
  const told: unknown[] = []
  const { point, route, inputs } = scene(domain, {
    spans: { export: (span: Span) => void spans.push(span) },
    policyObserver: { decided: (decision) => void told.push(decision) },
    watch: (active) => void told.push(active),
  })
  const { text } = await domain.issueOne()
  const examined = await point.examine({ at, carried: readCarried(['quantum-ip', text]) }, route)
  assert.deepEqual([examined.verdict.reason, examined.decision.action], ['ok', 'allow'])
  assert.deepEqual([inputs, spans, told], [[], [], []])
})

test('the span of a request is the parent of what comes behind', async () => {
  const domain = await createTestDomain()
  const spans: Span[] = []
  const { judge } = scene(domain, { spans: { export: (span: Span) => void spans.push(span) } })
  const { text } = await domain.issueOne()
  const parent = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01'
  const outcome = await judge(['quantum-ip', text, 'traceparent', parent])
  assert.ok(outcome.action === 'allow')
  assert.equal(spans.length, 1)
  const own = named(outcome.fields, 'traceparent')
  assert.notEqual(own, parent)
  assert.match(own ?? '', /^00-4bf92f3577b34da6a3ce929d0e0e4736-[0-9a-f]{16}-01$/)
})

test('an exempt request keeps no token and claims no verdict', async () => {
  const domain = await createTestDomain()
  const { point, route } = scene(domain)
  const fields = point.exempt(readCarried(['quantum-ip', 'anything', 'quantum-ip-status', 'verified']), route)
  assert.equal(parseStatus(named(fields, 'quantum-ip-status') ?? '').reason, 'exempt')
  assert.equal(named(fields, 'quantum-ip'), undefined)
})
