// What the tests of this package share: claims, arbitraries and mutations.
import * as fc from 'fast-check'
import type { Claims, Hop, StapledHead } from '@quantum-ip/token'
import { encodeClaims, formatMerkleToken, type MerkleTokenParts } from '@quantum-ip/token'
import { seeded } from '@quantum-ip/testing'

/** `size` bytes that count up from `first`. */
export function counting(size: number, first = 0): Uint8Array {
  return Uint8Array.from({ length: size }, (_, i) => (first + i) % 256)
}

/** The smallest set of claims. */
export const plainClaims: Claims = {
  sub: 'spiffe://acme.example/ns/prod/sa/checkout',
  aud: ['spiffe://acme.example/ns/prod/sa/shop'],
  exp: 1_790_000_300,
  iat: 1_790_000_000,
  jti: counting(16),
}

export const hop: Hop = {
  sid: 'spiffe://acme.example/ns/prod/sa/edge',
  attLog: 1,
  attIndex: 70_000,
  log: 7,
  index: 2 ** 40,
}

/** A set of claims that has every one of them. */
export const fullClaims: Claims = {
  ...plainClaims,
  exp: plainClaims.iat + 120,
  cnf: { jkt: counting(32, 16) },
  att: [1, 812_345],
  bev: 2,
  bld: counting(32, 48),
  chn: [hop, { sid: 'spiffe://partner.example/gateway', attLog: 0, attIndex: 0, log: 1, index: 23 }],
  req: counting(32, 80),
  use: 1,
}

const letters = 'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-'
const word = (from: string, maxLength: number) =>
  fc.string({ unit: fc.constantFrom(...from.split('')), minLength: 1, maxLength })
const segment = word(letters, 24).filter((text) => text !== '.' && text !== '..')
const domain = word('abcdefghijklmnopqrstuvwxyz0123456789._-', 24)
  .filter((text) => text !== '.' && text !== '..')
  .map((name) => `spiffe://${name}`)

export const anyServiceId = fc
  .tuple(domain, fc.array(segment, { minLength: 1, maxLength: 4 }))
  .map(([name, path]) => `${name}/${path.join('/')}`)

const digest = fc.uint8Array({ minLength: 32, maxLength: 32 })
const anyIndex = fc.oneof(
  fc.nat({ max: 70_000 }),
  fc.maxSafeNat().map((n) => n % 2 ** 48),
)
const anyLog = fc.integer({ min: 1, max: 2 ** 32 - 1 })

export const anyHop: fc.Arbitrary<Hop> = fc
  .record({ sid: anyServiceId, att: fc.option(fc.tuple(anyLog, anyIndex)), log: anyLog, index: anyIndex })
  .map(({ sid, att, log, index }) => ({ sid, attLog: att?.[0] ?? 0, attIndex: att?.[1] ?? 0, log, index }))

const optionalClaims = fc.record(
  {
    cnf: fc.oneof(
      digest.map((jkt) => ({ jkt })),
      digest.map((x5tS256) => ({ x5tS256 })),
    ),
    bld: digest,
    bev: fc.constantFrom(0 as const, 1 as const, 2 as const, 3 as const),
    att: fc.tuple(anyLog, anyIndex),
    use: fc.constant(1 as const),
    chn: fc.array(anyHop, { minLength: 1, maxLength: 8 }),
    req: digest,
  },
  { requiredKeys: [] },
)

/** Any set of claims that may be in a token. */
export const anyClaims: fc.Arbitrary<Claims> = fc
  .record({
    sub: anyServiceId,
    aud: fc.array(anyServiceId, { minLength: 1, maxLength: 8 }),
    domain,
    iat: fc.integer({ min: 0, max: 2 ** 32 - 3_601 }),
    ttl: fc.integer({ min: 1, max: 3_600 }),
    jti: fc.uint8Array({ minLength: 16, maxLength: 16 }),
    optional: optionalClaims,
  })
  .map(withinRules)

interface RawClaims extends Omit<Claims, 'exp'> {
  readonly domain: string
  readonly ttl: number
  readonly optional: Partial<Claims>
}

function withinRules({ sub, aud, domain, iat, ttl, jti, optional }: RawClaims): Claims {
  const ids = optional.cnf === undefined ? aud : [domain, ...aud.slice(1)]
  const once = optional.use === 1
  const exp = iat + (once ? Math.min(ttl, 120) : ttl)
  return { sub, aud: once ? ids.slice(0, 1) : ids, iat, exp, jti, ...optional }
}

const anySigs = fc
  .uniqueArray(fc.nat({ max: 2 ** 32 - 1 }), { minLength: 1, maxLength: 2 })
  .map((ids) => ids.sort((a, b) => a - b).map((keyId) => ({ keyId, signature: counting(64, keyId % 256) })))

/** A valid subtree and an index in it. */
export const anyPosition = fc
  .record({ width: fc.integer({ min: 1, max: 65_536 }), block: fc.nat({ max: 2 ** 31 }), at: fc.nat() })
  .map(({ width, block, at }) => {
    const start = block * 2 ** Math.ceil(Math.log2(width))
    return { start, end: start + width, index: start + (at % width) }
  })

/** What any Merkle token is put together from. */
export const anyParts: fc.Arbitrary<MerkleTokenParts> = fc
  .record({
    claimsBytes: anyClaims.map(encodeClaims).filter((bytes) => bytes.length <= 2_000),
    keyId: fc.nat({ max: 2 ** 32 - 1 }),
    position: anyPosition,
    path: fc.array(digest, { maxLength: 16 }),
    sigs: fc.option(anySigs, { nil: undefined }),
  })
  .map(({ position, ...parts }) => Object.assign(parts, position))

/** A token with two hashes in its path, and what it was made from. */
export const someParts: MerkleTokenParts = {
  claimsBytes: encodeClaims(fullClaims),
  keyId: 0xdeadbeef,
  index: 70_002,
  start: 70_000,
  end: 70_004,
  path: [counting(32, 1), counting(32, 2)],
}
export const someToken: string = formatMerkleToken(someParts)

export const someHead: StapledHead = {
  origin: 'acme.example/tokens/7',
  start: 70_000,
  end: 70_004,
  hash: counting(32, 3),
  sigs: [
    { keyId: 5, signature: counting(64) },
    { keyId: 9, signature: counting(2_420) },
  ],
}

/** `count` damaged copies of `bytes`: flipped, cut, inserted, repeated and overwritten; some more than once. */
export function* mutations(bytes: Uint8Array, count: number, seed: string): Generator<Uint8Array> {
  const random = seeded(seed)
  for (let i = 0; i < count; i++) {
    let mutated = bytes
    do mutated = mutate(mutated)
    while (random.chance(0.3))
    yield mutated
  }

  function mutate(input: Uint8Array): Uint8Array {
    const at = random.integer(0, Math.max(0, input.length - 1))
    const copy = Uint8Array.from(input)
    const [before, after] = [copy.subarray(0, at), copy.subarray(at)]
    switch (random.integer(0, 5)) {
      case 0:
        copy[at] = (copy[at] ?? 0) ^ (1 << random.integer(0, 7))
        return copy
      case 1:
        copy[at] = random.pick([
          0x00, 0x17, 0x18, 0x19, 0x1a, 0x1b, 0x40, 0x5f, 0x60, 0x7f, 0x80, 0x9f, 0xa0, 0xbf, 0xc0, 0xf6,
          0xff,
        ])
        return copy
      case 2:
        return Uint8Array.from([...before, ...after.subarray(random.integer(1, 8))])
      case 3:
        return Uint8Array.from([...before, ...random.bytes(random.integer(1, 4)), ...after])
      case 4:
        return Uint8Array.from([...before, ...after.subarray(0, random.integer(1, 40)), ...after])
      default:
        copy[at] = ((copy[at] ?? 0) + random.pick([1, 255])) % 256
        return copy
    }
  }
}
