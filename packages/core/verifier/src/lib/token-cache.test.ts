import assert from 'node:assert/strict'
import { test } from 'node:test'
import { TokenCache } from './token-cache.ts'
import { TokenFacts } from './token-facts.ts'

function facts(exp: number): TokenFacts {
  return new TokenFacts({
    form: 'compact',
    td: 'spiffe://a',
    sub: 'spiffe://a/b',
    aud: [],
    exp,
    iat: 0,
    oneTime: false,
    cnf: undefined,
    req: undefined,
    hops: [],
    build: undefined,
    attestation: undefined,
    digestText: '',
    index: 0,
    keyId: 1,
    start: 0,
    end: 1,
    kid: '',
    log: '',
  })
}

test('gives back what was put in, until it is taken out', () => {
  const cache = new TokenCache(10)
  const one = facts(100)
  cache.set('one', one, 0)
  assert.equal(cache.get('one'), one)
  assert.equal(cache.get('two'), undefined)
  cache.delete('one')
  assert.equal(cache.get('one'), undefined)
  assert.equal(cache.size, 0)
})

test('never holds more than it may, and drops the oldest', () => {
  const cache = new TokenCache(100)
  for (let n = 0; n < 1_000; n++) {
    cache.set(`token ${n}`, facts(100), 0)
    assert.ok(cache.size <= 100)
    assert.ok(cache.get(`token ${Math.max(0, n - 99)}`) !== undefined)
  }
  assert.equal(cache.get('token 899'), undefined)
})

test('holds fewer long tokens than short ones', () => {
  const cache = new TokenCache(100)
  for (let n = 0; n < 100; n++) cache.set(`${n}`.padEnd(4_000), facts(100), 0)
  assert.equal(cache.size, 20)
})

test('lets expired tokens run out as new ones come', () => {
  const cache = new TokenCache(1_000)
  for (let n = 0; n < 500; n++) cache.set(`old ${n}`, facts(100), 0)
  for (let n = 0; n < 300; n++) cache.set(`new ${n}`, facts(500), 200_000)
  assert.equal(cache.size, 300)
  assert.ok(cache.get('new 0') !== undefined)
})

test('holds nothing where it may hold nothing', () => {
  const cache = new TokenCache(0)
  cache.set('one', facts(100), 0)
  assert.equal(cache.size, 0)
})

test('survives deletions of what it would look at next', () => {
  const cache = new TokenCache(4)
  for (let n = 0; n < 200; n++) {
    cache.set(`token ${n}`, facts(100), 0)
    if (n % 3 === 0) cache.delete(`token ${n - 2}`)
    if (n % 7 === 0) for (let back = 0; back < 4; back++) cache.delete(`token ${n - back}`)
    assert.ok(cache.size <= 4)
  }
  cache.set('last', facts(100), 0)
  assert.ok(cache.get('last') !== undefined)
})
