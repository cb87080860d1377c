import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type RoutePattern, compileRoutes, isExempt } from './route-table.ts'

const routes: readonly RoutePattern[] = [
  { name: 'any', match: {} },
  { name: 'any-api', match: { path: '/api' } },
  { name: 'wild', match: { host: '*.acme.example' } },
  { name: 'deep-wild', match: { host: '*.eu.acme.example', path: '/' } },
  { name: 'shop', match: { host: 'shop.acme.example' } },
  { name: 'shop-api', match: { host: 'shop.acme.example', path: '/api' } },
  { name: 'shop-api-v2', match: { host: 'shop.acme.example', path: '/api/v2/' } },
  { name: 'shop-api-write', match: { host: 'shop.acme.example', path: '/api', methods: ['POST', 'PUT'] } },
  { name: 'only-get', match: { host: 'get.acme.example', methods: ['GET'] } },
]
const table = compileRoutes(routes)

for (const [method, host, path, expected] of [
  ['GET', 'shop.acme.example', '/', 'shop'],
  ['GET', 'shop.acme.example', '/api', 'shop-api'],
  ['GET', 'shop.acme.example', '/api/', 'shop-api'],
  ['GET', 'shop.acme.example', '/apix', 'shop'],
  ['GET', 'shop.acme.example', '/API', 'shop'],
  ['GET', 'shop.acme.example', '/api/v2', 'shop-api-v2'],
  ['GET', 'shop.acme.example', '/api/v2/x', 'shop-api-v2'],
  ['GET', 'shop.acme.example', '/api/v20', 'shop-api'],
  ['POST', 'shop.acme.example', '/api/x', 'shop-api-write'],
  ['POST', 'shop.acme.example', '/api/v2/x', 'shop-api-v2'],
  ['GET', 'x.acme.example', '/api', 'wild'],
  ['GET', 'a.b.acme.example', '/', 'wild'],
  ['GET', 'x.eu.acme.example', '/', 'deep-wild'],
  ['GET', 'acme.example', '/', 'any'],
  ['GET', 'xacme.example', '/api/1', 'any-api'],
  ['GET', 'get.acme.example', '/', 'only-get'],
  ['POST', 'get.acme.example', '/', 'wild'],
  ['GET', 'shop.acme.example.', '/', 'any'],
] as const) {
  test(`routes ${method} ${host}${path} to ${expected}`, () => {
    assert.equal(table.find({ method, host, path })?.name, expected)
  })
}

test('has no route for what none matches', () => {
  const strict = compileRoutes([{ match: { host: 'a.example', path: '/x' } }])
  assert.equal(strict.find({ method: 'GET', host: 'a.example', path: '/' }), undefined)
  assert.equal(strict.find({ method: 'GET', host: 'b.example', path: '/x' }), undefined)
})

test('refuses routes that cannot be meant', () => {
  for (const match of [
    { host: 'Shop.example' },
    { host: 'shop.example:80' },
    { host: 'a.*.example' },
    { path: 'api' },
    { path: '/a/../b' },
    { path: '/a//b' },
    { path: '/a?b' },
    { path: '/a/*' },
    { path: '/%2e%2e' },
    { methods: [] },
    { methods: ['get'] },
  ]) {
    assert.throws(
      () => compileRoutes([{ match }]),
      { code: 'QIP_ENFORCE_ROUTE_INVALID' },
      JSON.stringify(match),
    )
  }
  assert.throws(() => compileRoutes([{ match: { path: '/api' }, exempt: [{ path: '/healthz' }] }]), {
    code: 'QIP_ENFORCE_ROUTE_INVALID',
  })
  assert.throws(
    () => compileRoutes([{ match: { methods: ['PSOT'] } }, { match: { methods: ['get'] } }]),
    /`GET` is/,
  )
})

test('refuses two routes for the same requests', () => {
  const [a, b] = [
    { name: 'a', match: { path: '/x', methods: ['GET', 'PUT'] } },
    { name: 'b', match: { path: '/x/', methods: ['PUT'] } },
  ]
  assert.throws(() => compileRoutes([a, b]), {
    code: 'QIP_ENFORCE_ROUTE_CONFLICT',
    details: { route: 'b', other: 'a' },
  })
})

test('exempts exactly the paths and methods that are listed', () => {
  const exempt = [
    { path: '/healthz' },
    { path: '/api', methods: ['OPTIONS'] },
    { path: '/.well-known/acme-challenge/', prefix: true, methods: ['GET'] },
  ]
  for (const [method, path, expected] of [
    ['GET', '/healthz', true],
    ['GET', '/healthz/', false],
    ['GET', '/healthzz', false],
    ['OPTIONS', '/api', true],
    ['POST', '/api', false],
    ['OPTIONS', '/api/x', false],
    ['GET', '/.well-known/acme-challenge/x', true],
    ['GET', '/.well-known/acme-challenges', false],
    ['POST', '/.well-known/acme-challenge/x', false],
  ] as const) {
    assert.equal(isExempt(exempt, { host: 'a', method, path }), expected, `${method} ${path}`)
  }
})
