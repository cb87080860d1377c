import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseConfig } from '@quantum-ip/http'
import { Alertness } from '@quantum-ip/point/member'
import { deepModeOf, samplingRatio } from './deep-checks.ts'

const td = 'spiffe://acme.example'
const config = parseConfig(
  `trustDomain: ${td}
services: [{ id: ${td}/a }, { id: ${td}/b }]
attestations: { deepCheck: sampled, sampling: 10%, incidentSampling: 60%, perService: [{ service: ${td}/b, deepCheck: deferred }] }
gateway: { routes: [{ service: ${td}/a, upstream: http://127.0.0.1:1 }, { service: ${td}/b, upstream: http://127.0.0.1:1, match: { path: /b } }] }
`,
  'test.yaml',
)

test('checks each service as it is configured', () => {
  assert.deepEqual(deepModeOf(config, `${td}/a`), { sample: 0.1 })
  assert.equal(deepModeOf(config, `${td}/b`), 'deferred')
})

test('raises to what configuration says of incidents, or to what an operator says, and never lowers', () => {
  const alertness = new Alertness(config.attestations.incidentSampling)
  const state = (): readonly [number, boolean, number] => [
    alertness.share,
    alertness.incident,
    samplingRatio(config, alertness),
  ]
  assert.deepEqual(state(), [0, false, 0.1])
  alertness.take({ percent: 0, untilMs: 0, eventOpen: true })
  assert.deepEqual(state(), [0.6, true, 0.6])
  alertness.take({ percent: 5, untilMs: 0, eventOpen: false })
  assert.deepEqual(state(), [0.05, true, 0.1])
  alertness.take({ percent: 80, untilMs: 0, eventOpen: true })
  assert.deepEqual(state(), [0.8, true, 0.8])
  alertness.take({ percent: 80, untilMs: 1, eventOpen: false })
  assert.deepEqual(state(), [0, false, 0.1], 'its time is over')
})
