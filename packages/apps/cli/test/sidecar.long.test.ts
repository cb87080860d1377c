import assert from 'node:assert/strict'
import { test } from 'node:test'
import { openMesh } from './support/mesh.ts'

test('the workload API hands out tokens that verify at the service they are for, and says who it is', async () => {
  await using mesh = await openMesh()
  const shop = await mesh.openSidecar('shop', { yaml: `tokens: { warm: [${mesh.sid('orders')}] }` })
  await shop.untilReady()
  const orders = await mesh.openSidecar('orders')
  await orders.untilReady()
  const issued = await shop.workload('POST', '/v1/token', { audience: mesh.sid('orders'), oneTime: true })
  assert.equal(issued.status, 200, JSON.stringify(issued.body))
  const { token, head } = issued.body as { token: string; head: string }
  const verdict = await orders.workload('POST', '/v1/verify', { token, head })
  assert.equal(verdict.body['status'], 'verified', JSON.stringify(verdict.body))
  assert.equal(verdict.body['identity'], mesh.sid('shop'))
  const again = await orders.workload('POST', '/v1/verify', { token, head })
  assert.equal(again.body['reason'], 'token_replayed')
  const identity = await shop.workload('GET', '/v1/identity')
  assert.equal(identity.body['service'], mesh.sid('shop'))
})

test('the workload API refuses who does not say that it means it, and says what to do', async () => {
  await using mesh = await openMesh()
  const shop = await mesh.openSidecar('shop')
  const refused = await shop.workload('GET', '/v1/identity', undefined, { headers: {} })
  assert.equal(refused.status, 403)
  assert.equal(refused.body['code'], 'QIP_ENFORCE_WORKLOAD_FIELD_MISSING')
  assert.match(String(refused.body['next']), /^send it/)
})
