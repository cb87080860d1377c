import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { ambiguity, readAuthority, readTarget } from './request-target.ts'

for (const [path, why] of [
  ['/a/./b', 'a dot segment'],
  ['/a/../b', 'a dot segment'],
  ['/..', 'a dot segment'],
  ['/a/.', 'a dot segment'],
  ['/%2e%2e/b', 'a dot segment'],
  ['/.%2E/b', 'a dot segment'],
  ['/a/..;/b', 'a dot segment'],
  ['/a/..;x=1/b', 'a dot segment'],
  ['/a/%2e%2e;/b', 'a dot segment'],
  ['//a', 'an empty segment'],
  ['/a//b', 'an empty segment'],
  ['/a%2fb', 'an encoded slash or backslash'],
  ['/a%2Fb', 'an encoded slash or backslash'],
  ['/a%5cb', 'an encoded slash or backslash'],
  ['/a\\b', 'a backslash'],
  ['/a%00', 'an encoded control character'],
  ['/a%0d%0ab', 'an encoded control character'],
  ['/a%7f', 'an encoded control character'],
  ['/%252e%252e/b', 'a double encoding'],
  ['/a%252fb', 'a double encoding'],
  ['/a%255cb', 'a double encoding'],
  ['/a%2500', 'a double encoding'],
  ['/a%25252fb', 'a double encoding'],
  ['/a%252%66b', 'a double encoding'],
  ['/a%25%32%66b', 'a double encoding'],
  ['/a%', 'a malformed escape'],
  ['/a%2', 'a malformed escape'],
  ['/a%zz', 'a malformed escape'],
  ['/a%u002e', 'a malformed escape'],
  ['/%c0%ae%c0%ae/b', 'an escape that is not UTF-8'],
  ['/a%c0%afb', 'an escape that is not UTF-8'],
  ['/a%e0%80%afb', 'an escape that is not UTF-8'],
  ['/a%f0%80%80%afb', 'an escape that is not UTF-8'],
  ['/a\xe4', 'a byte that is not printable ASCII'],
  ['/a b', 'a byte that is not printable ASCII'],
  ['/a\x00', 'a byte that is not printable ASCII'],
] as const) {
  test(`refuses the path \`${JSON.stringify(path).slice(1, -1)}\`: ${why}`, () => {
    assert.equal(ambiguity(path), why)
    const target = readTarget(path, false)
    assert.deepEqual('refused' in target && target.refused, 'path_ambiguous')
  })
}

for (const [path, seen] of [
  ['/', '/'],
  ['/a/', '/a/'],
  ['/.well-known/acme-challenge/x', '/.well-known/acme-challenge/x'],
  ['/a/...', '/a/...'],
  ['/a/..b', '/a/..b'],
  ['/a;v=1/b', '/a;v=1/b'],
  ['/%61dmin', '/admin'],
  ['/%7Euser/%3a', '/~user/%3A'],
  ['/100%25', '/100%25'],
  ['/a%25b', '/a%25b'],
  ['/%C3%A4', '/%C3%A4'],
  ["/!$&'()*+,;=:@", "/!$&'()*+,;=:@"],
] as const) {
  test(`shows the path \`${path}\` to routes and policies as \`${seen}\` and forwards it as it is`, () => {
    const target = readTarget(`${path}?q=/../%2f`, false)
    assert.deepEqual(target, {
      path: seen,
      query: '?q=/../%2f',
      forward: `${path}?q=/../%2f`,
      authority: undefined,
    })
  })
}

test('takes a target in absolute form and forwards the rest of it', () => {
  assert.deepEqual(readTarget('http://Shop.example:80/a?b', false), {
    path: '/a',
    query: '?b',
    forward: '/a?b',
    authority: 'Shop.example:80',
  })
  assert.deepEqual(readTarget('HTTPS://shop.example', false), {
    path: '/',
    query: '',
    forward: '/',
    authority: 'shop.example',
  })
  assert.deepEqual(readTarget('http://shop.example?x', false), {
    path: '/',
    query: '?x',
    forward: '/?x',
    authority: 'shop.example',
  })
})

test('refuses targets that are no path', () => {
  for (const target of ['*', '', 'a/b', 'ftp://a/', 'shop.example:443', '/a#b']) {
    assert.equal('refused' in readTarget(target, false) && 'target_malformed', 'target_malformed', target)
  }
})

test('keeps ambiguous paths byte for byte where that is asked for, and shows them so', () => {
  for (const path of ['/a/../b', '/a%2fb', '//x', '/%61']) {
    assert.deepEqual(readTarget(path, true), { path, query: '', forward: path, authority: undefined })
  }
})

test('accepts no path that a decoder turns into one with dot segments, slashes or control characters', () => {
  const piece = fc.constantFrom(
    '%',
    '2',
    '5',
    'e',
    'E',
    'f',
    'F',
    '.',
    '/',
    ';',
    'c',
    '0',
    'a',
    '%2e',
    '%2f',
    '%25',
    '%00',
    '..',
    'x',
  )
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 12 }), (pieces) => {
      const path = `/${pieces.join('')}`
      if (ambiguity(path) !== undefined) return
      let decoded = path
      for (let depth = 0; depth < 4; depth++) {
        // oxlint-disable-next-line no-control-regex -- control characters are what it looks for
        assert.doesNotMatch(decoded, /(?:^|\/)\.{1,2}(?:;[^/]*)?(?:\/|$)|[\x00-\x1f\\]/)
        assert.equal(decoded.split('/').length, path.split('/').length)
        decoded = decoded.replaceAll(/%([0-9A-Fa-f]{2})/g, (_, digits: string) =>
          String.fromCharCode(Number.parseInt(digits, 16)),
        )
      }
    }),
    { numRuns: 3_000 },
  )
})

test('reads hosts with and without a port, and nothing else', () => {
  assert.deepEqual(readAuthority('Shop.Example'), { host: 'shop.example', port: undefined })
  assert.deepEqual(readAuthority('shop.example:8080'), { host: 'shop.example', port: 8080 })
  assert.deepEqual(readAuthority('[2001:DB8::1]:443'), { host: '[2001:db8::1]', port: 443 })
  for (const text of [
    '',
    ':80',
    'a:',
    'a:b',
    'a:123456',
    'a:65536',
    'u@a',
    'a/b',
    'a b',
    'a,b',
    '[::1',
    'a%41',
    'ä',
    'a?b',
    'a#b',
    'a\\b',
  ]) {
    assert.equal(readAuthority(text), undefined, text)
  }
})
