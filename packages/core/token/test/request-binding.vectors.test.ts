import assert from 'node:assert/strict'
import { test } from 'node:test'
import { hex, utf8 } from '@quantum-ip/base'
import { sha256 } from '@quantum-ip/crypto'
import { type BoundRequest, canonicalAuthority, requestBinding } from '@quantum-ip/token'

// The ten vectors of the request binding, computed by another implementation. For the first, the bytes that are hashed are
//   7175616e74756d2d69702f7265712f7631 00            "quantum-ip/req/v1" 00
//   00000003 474554                                  GET
//   00000011 73686f702e61636d652e6578616d706c65      shop.acme.example
//   00000001 2f                                      /
//   00                                               the content is not bound
const vectors: readonly (readonly [
  method: string,
  authority: string,
  target: string,
  content: string | undefined,
  req: string,
])[] = [
  [
    'GET',
    'shop.acme.example',
    '/',
    undefined,
    '54dc2d0dcc7894ebb7113d695fa64c362e6337d555a27f08952aca937ab233a6',
  ],
  [
    'GET',
    'shop.acme.example',
    '/cart?x=1',
    undefined,
    'e59bc92d1bfb833f08ccf8a71b350be3e89d009bc7eff92b4827944566ad7332',
  ],
  [
    'GET',
    'shop.acme.example',
    '/cart?x=2',
    undefined,
    '851ec147aba615ff4221283281099d15541a1fe4f5ef1964d00c6d5847bb2e0a',
  ],
  [
    'POST',
    'shop.acme.example',
    '/cart?x=1',
    undefined,
    'd648a39b80e94c2b2fe4043a8cc347326d84bb9284c080be370bf8479dc89eeb',
  ],
  [
    'POST',
    'shop.acme.example:8443',
    '/cart?x=1',
    undefined,
    '5bf7e05c02a3b83179ca7e21f030bd66fe9e74152c21c8a40b755772133fd8cc',
  ],
  [
    'POST',
    'shop.acme.example',
    '/orders',
    '',
    '18fe49373417cd78cf4f725472ec66b5f0f9f1b3a4a717fe858aa4222df0346d',
  ],
  [
    'POST',
    'shop.acme.example',
    '/orders',
    '{"item":42}',
    '9284c279130aff06b1d1d21dde63440959412dc8d35775af792db4e4cb5cf197',
  ],
  [
    'GET',
    '[2001:db8::1]:8080',
    '/a//b/../c%2Fd',
    undefined,
    '417e07d2ea063f7a3b89bb84cffec268d56b2724c441a3b5b4a3bd674406e9d7',
  ],
  [
    'OPTIONS',
    'shop.acme.example',
    '*',
    undefined,
    'c3884f3b961c46c823720cd79aae2de0a5294d8b1c5d48a8f769b2d6410e6a17',
  ],
  [
    'GET',
    'shop.acme.example',
    '/caf\u00e9?\u00ff',
    undefined,
    '235f9fe5317c42894183ddeb3991ba640990fdf871578c7b172ebe3023e0b58e',
  ],
]

for (const [method, authority, target, content, req] of vectors) {
  test(`binds ${method} ${authority} ${target}${content === undefined ? '' : ` with \`${content}\``}`, () => {
    const contentDigest = content === undefined ? undefined : sha256(utf8(content))
    assert.equal(hex(requestBinding({ method, authority, target, contentDigest })), req)
  })
}

test('binds no two of them to the same value, and tells parts from their neighbours', () => {
  assert.equal(new Set(vectors.map(([, , , , req]) => req)).size, 10)
  const a = requestBinding({ method: 'GET', authority: 'a', target: 'bc' })
  const b = requestBinding({ method: 'GET', authority: 'ab', target: 'c' })
  assert.notEqual(hex(a), hex(b))
})

const some: BoundRequest = { method: 'GET', authority: 'a', target: '/' }
const malformed: readonly (readonly [part: string, request: BoundRequest])[] = [
  ['method', { ...some, method: '' }],
  ['method', { ...some, method: 'G'.repeat(65) }],
  ['authority', { ...some, authority: '' }],
  ['authority', { ...some, authority: 'a'.repeat(513) }],
  ['target', { ...some, target: '' }],
  ['target', { ...some, target: `/${'a'.repeat(65_535)}` }],
  ['target', { ...some, target: '/\u0100' }],
  ['content digest', { ...some, contentDigest: new Uint8Array(31) }],
]

for (const [i, [part, request]] of malformed.entries()) {
  test(`refuses a ${part} that cannot be bound (${i})`, () => {
    assert.throws(
      () => requestBinding(request),
      (error: { code: string; details: { part: string } }) => {
        assert.equal(error.code, 'QIP_TOKEN_REQUEST_PART_MALFORMED')
        return error.details.part === part
      },
    )
  })
}

const authorities: readonly (readonly [host: string, scheme: 'http' | 'https', authority: string])[] = [
  ['Shop.Acme.Example', 'https', 'shop.acme.example'],
  ['shop.acme.example:443', 'https', 'shop.acme.example'],
  ['shop.acme.example:443', 'http', 'shop.acme.example:443'],
  ['shop.acme.example:80', 'http', 'shop.acme.example'],
  ['shop.acme.example:8443', 'https', 'shop.acme.example:8443'],
  ['[2001:DB8::1]:443', 'https', '[2001:db8::1]'],
  ['[2001:db8::443]', 'https', '[2001:db8::443]'],
]

for (const [host, scheme, authority] of authorities) {
  test(`writes ${host} over ${scheme} as ${authority}`, () =>
    assert.equal(canonicalAuthority(host, scheme), authority))
}
