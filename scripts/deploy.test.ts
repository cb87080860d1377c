import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { alertingGroups } from './deploy/alert-rules.ts'
import { deployFiles } from './deploy.ts'
import { faultsOf } from './deploy/expressions.ts'
import { recordingGroups } from './deploy/recording-rules.ts'
import { read, root } from './lib-packages.ts'

const records = recordingGroups.flatMap(({ rules }) => rules)
const alerts = alertingGroups().flatMap(({ rules }) => rules)
const recorded = new Set(records.map(({ record }) => record))
// Metrics whose names are agreed, and which nothing counts yet.
const announced = ['quantum_ip_policy_version']

test('deploy/ says what the tables in scripts/deploy say', () => {
  for (const [file, text] of deployFiles()) {
    assert.ok(existsSync(join(root, file)), `${file} is missing: node scripts/deploy.ts`)
    assert.ok(read(file) === text, `${file} differs: node scripts/deploy.ts`)
  }
})

test('rules read only metrics, labels and values of the table of metrics, and what other rules record', () => {
  for (const { expr, ...rule } of [...records, ...alerts]) {
    const faults = faultsOf(expr, recorded).filter((fault) => !announced.some((name) => fault.endsWith(name)))
    assert.deepEqual(faults, [], 'alert' in rule ? rule.alert : rule.record)
  }
})

test('a wrong metric, label or value in an expression is found', () => {
  const wrong = [
    ['rate(quantum_ip_verification_total[5m])', 'there is no metric quantum_ip_verification_total'],
    ['quantum_ip_verifications_total{tenant="a"}', 'quantum_ip_verifications_total has no label tenant'],
    [
      'quantum_ip_verifications_total{reason=~"ok|fine"}',
      'reason of quantum_ip_verifications_total is never fine',
    ],
    ['quantum_ip:nothing:rate5m', 'nothing records quantum_ip:nothing:rate5m'],
  ] as const
  for (const [expr, fault] of wrong) assert.deepEqual(faultsOf(expr, recorded), [fault])
})

test('an address of runbooks that is given stands in every alert', () => {
  for (const { annotations } of alertingGroups('https://wiki.example/qip').flatMap(({ rules }) => rules)) {
    assert.match(annotations['runbook_url'] ?? '', /^https:\/\/wiki\.example\/qip\/.+\.md/)
  }
})
