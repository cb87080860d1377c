import assert from 'node:assert/strict'
import { PassThrough, Readable } from 'node:stream'
import { test } from 'node:test'
import type { JsonObject } from '@quantum-ip/base'
import type { FoundDecision } from './find-decision.ts'
import { Output } from './output.ts'
import { showDecision } from './show-decision.ts'

const record: JsonObject = {
  timeMs: 1_800_000_000_000,
  point: 'edge-1',
  region: null,
  service: 'spiffe://acme.example/sa/shop',
  status: 'verified',
  reason: 'ok',
  subject: 'spiffe://acme.example/sa/checkout',
  build: { digest: 'ab', evidence: 'declared' },
  token: { log: 'acme.example/tokens/1', index: 7, digest: 'cd' },
  policy: { name: 'default', version: 3 },
  rule: 'unattested-builds',
  decidedBy: 'rule',
  action: 'allow',
  wouldBe: 'quarantine',
  mode: 'monitor',
  enforced: false,
  failOpen: ['monitor'],
}

const rules: readonly JsonObject[] = [
  {
    name: 'unattested-builds',
    action: 'quarantine',
    when: 'build.slsaLevel < 3',
    outcome: 'decided',
    value: true,
    error: null,
    facts: { 'build.slsaLevel': 1 },
  },
  { name: 'later', action: 'reject', when: null, outcome: 'not_held', value: false, error: null, facts: {} },
]

function shown(found: Partial<FoundDecision>): string {
  let text = ''
  const stdout = new PassThrough().on('data', (chunk: Buffer) => {
    text += chunk.toString()
  })
  const io = { stdin: Readable.from([]), stdout, stderr: stdout, isTerminal: false, showsProgress: false }
  showDecision(new Output(io), {
    id: 'edge-1-x',
    source: 'enforcement point',
    record,
    facts: undefined,
    rules: [],
    exceptions: [],
    changes: [],
    ...found,
  })
  return text
}

test('says which rule decided, with which values, and what would have changed it', () => {
  const text = shown({
    rules,
    facts: { 'request.method': 'GET', 'request.host': 'shop', 'request.path': '/orders' },
  })
  for (const part of [
    /^allow ok edge-1-x\n/,
    /request +GET shop\/orders/,
    /caller +spiffe:\/\/acme\.example\/sa\/checkout, proven/,
    /decided by +policy default version 3: rule unattested-builds/,
    /action +allow, because the policy is in mode monitor; enforced it would be quarantine/,
    /let through +monitor/,
    /decided +unattested-builds → quarantine\n +when build\.slsaLevel < 3\n +build\.slsaLevel = 1\n/,
    /did not hold later → reject/,
    /- other values for rule unattested-builds: it holds when build\.slsaLevel < 3/,
    /- mode enforce in place of monitor: then it would be quarantine/,
  ])
    assert.match(text, part)
})

test('says what would have changed a decision, with values', () => {
  const changes: readonly JsonObject[] = [
    {
      changes: [{ fact: 'build.slsaLevel', from: 1, to: 3 }],
      implied: [],
      action: 'allow',
      reason: 'default',
      rule: null,
      exception: null,
    },
    {
      changes: [{ fact: 'build', from: 'ab', to: null }],
      implied: [{ fact: 'build.slsaLevel', from: 1, to: 0 }],
      action: 'reject',
      reason: 'rule',
      rule: 'unknown',
      exception: null,
    },
  ]
  const text = shown({ rules, changes })
  assert.match(text, /- allowed if `build\.slsaLevel` were 3 \(is 1\)\n/)
  assert.match(
    text,
    /- rejected if `build` were unknown \(is "ab"\), with what follows from it, by rule unknown\n/,
  )
})

test('says which exception decided, who owns it, and which have ended', () => {
  const exceptions = [
    { ...rules[0], name: 'cutover' },
    { ...rules[0], name: 'older', outcome: 'ended' },
  ]
  const exception = { name: 'cutover', owner: 'team-shop' }
  const text = shown({
    record: { ...record, rule: null, decidedBy: 'exception', exception },
    exceptions,
    rules,
  })
  assert.match(text, /version 3: exception cutover, owned by team-shop, before its rules/)
  assert.match(text, /has ended +older/)
})

test('says what it does not know, where only the record is left', () => {
  const text = shown({
    source: 'authority',
    record: { ...record, status: 'invalid', reason: 'token_replayed', subject: null },
  })
  assert.match(text, /caller +not known/)
  assert.match(text, /- a one-time token for each request/)
  assert.match(text, /with `--policy <file>`, the policy that decided, its rules are explained, too/)
})
