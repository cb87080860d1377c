import assert from 'node:assert/strict'
import { test } from 'node:test'
import { until } from './support/fleet.ts'
import { callThrough, openApplication, openMesh } from './support/mesh.ts'

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

const trace = '0af7651916cd43dd8448eb211c80319c'

test('services call each other through their sidecars: verified with the build, in a chain, through an outage, until they are revoked', async () => {
  await using stack = new AsyncDisposableStack()
  const mesh = stack.use(await openMesh())
  const to = (host: string, name: string, upstream: string, more = '') =>
    `outbound: { listen: 127.0.0.1:0, destinations: [{ host: ${host}, service: ${mesh.sid(name)}, upstream: '${upstream}'${more} }] }`
  const build = 'a'.repeat(64)

  // The last one shows what it was told. The two before it know nothing but to hand a traceparent on.
  const stockApp = await openApplication(stack, (got) => String(got['quantum-ip-status']))
  const stock = await mesh.openSidecar('stock', { yaml: `upstream: '${stockApp.url}'` })
  const seen: string[] = []
  const spy = await openApplication(stack, async (got) => {
    seen.push(String(got['quantum-ip']))
    return (await fetch(stock.url, { headers: got as Record<string, string> })).text()
  })
  const relayed = (outbound: () => string, host: string) =>
    openApplication(stack, async ({ traceparent }) => {
      const { status, text } = await callThrough(outbound(), host, { traceparent })
      return status === 200 ? text : `${status} ${text}`
    })
  const ordersApp = await relayed(() => orders.outbound, 'stock.internal')
  const orders = await mesh.openSidecar('orders', {
    yaml: [`upstream: '${ordersApp.url}'`, to('stock.internal', 'stock', spy.url, ', chain: required')],
  })
  // A one-time token that is older than its receiver is refused: the receiver first, then who draws for it.
  await orders.untilReady()
  const shopApp = await relayed(() => shop.outbound, 'orders.internal')
  const shop = await mesh.openSidecar('shop', {
    build: `sha256:${build}`,
    yaml: [
      `upstream: '${shopApp.url}'`,
      to('orders.internal', 'orders', orders.url, ', oneTime: true, proof: true'),
      'tokens: { drawFirst: 4 }',
    ],
  })
  await Promise.all([stock, orders, shop].map((sidecar) => sidecar.untilReady()))

  const call = (traceparent: string) => callThrough(shop.outbound, 'orders.internal', { traceparent })
  const first = await call(`00-${trace}-00f067aa0ba902b7-01`)
  assert.match(first.text, /^status=verified, reason=ok, /, first.text)
  assert.match(first.text, /sub="spiffe:\/\/acme\.example\/orders"/)
  const own = ordersApp.got[0]
  assert.match(
    String(own?.['quantum-ip-status']),
    /status=verified.*sub="spiffe:\/\/acme\.example\/shop", bld=:/,
  )
  assert.equal(own?.['quantum-ip'], undefined)
  assert.match(String(own?.['tracestate']), /^qip-call=/)
  const verdict = await stock.workload('POST', '/v1/verify', { token: seen[0] })
  assert.deepEqual(
    (verdict.body['chain'] as { sid: string }[]).map(({ sid }) => sid),
    [mesh.sid('shop')],
  )

  // Twice as many as were drawn at first: the stock of one-time tokens is drawn anew.
  for (let i = 0; i < 12; i++)
    assert.equal((await call(`00-${trace}-00f067aa0ba9${1000 + i}-01`)).status, 200)
  const unknown = await callThrough(orders.outbound, 'stock.internal')
  assert.equal(unknown.status, 409, unknown.text)
  assert.match(unknown.text, /"code":"call_unknown"/)
  const elsewhere = await callThrough(shop.outbound, 'elsewhere.internal')
  assert.equal(elsewhere.status, 404)

  const revoked = await mesh.qip('revoke', 'identity', mesh.sid('shop'), '--reason', 'test')
  assert.equal(revoked.code, 0, revoked.stderr)
  await until(
    'the revocation has arrived',
    async () => (await call(`00-${trace}-00f067aa0ba902b9-01`)).status !== 200,
  )

  await mesh.killAuthority()
  const health = await stock.workload('GET', '/v1/identity')
  assert.equal(health.status, 200)
  assert.equal(await orders.end(), 0)
})

test('a service goes on calling while its authority is away, and says that it cannot what it cannot', async () => {
  await using stack = new AsyncDisposableStack()
  const mesh = stack.use(await openMesh())
  const app = await openApplication(stack, (got) => String(got['quantum-ip-status']))
  const orders = await mesh.openSidecar('orders', { yaml: `upstream: '${app.url}'` })
  const destination = `{ host: orders.internal, service: ${mesh.sid('orders')}, upstream: '${orders.url}' }`
  const shop = await mesh.openSidecar('shop', {
    yaml: `outbound: { listen: 127.0.0.1:0, destinations: [${destination}] }`,
  })
  await Promise.all([orders, shop].map((sidecar) => sidecar.untilReady()))
  assert.equal((await callThrough(shop.outbound, 'orders.internal')).status, 200)
  await mesh.killAuthority()
  for (let i = 0; i < 5; i++) {
    const answered = await callThrough(shop.outbound, 'orders.internal')
    assert.match(answered.text, /^status=verified/, answered.text)
  }
  const other = await shop.workload('POST', '/v1/token', { audience: mesh.sid('pay') })
  assert.equal(other.status, 503)
  assert.match(String(other.body['next']), /what is held here goes on working/)
})
