// token_chars, verify_cold, verify_cached, cache_mb, replay_bytes, telemetry_us
import { createSigner, createVerifier as createFastJwtVerifier } from 'fast-jwt'
import { generateKeyPairSync } from 'node:crypto'
import { importJWK, jwtVerify, SignJWT } from 'jose'
import { generatePrivateKey, privateJwk, publicJwk } from '@quantum-ip/crypto'
import { enforcementMetrics, Metrics, verifierObserver } from '@quantum-ip/telemetry'
import { allocateReplayMemory, ReplayFilter } from '@quantum-ip/verifier'
import { round, type Rows, timeRounds } from '../lib/measure.ts'
import { caller, domainName, freshCopy, issueMany, newDomain, service } from '../lib/tokens.ts'

const claimsJson = {
  iss: domainName,
  sub: caller,
  aud: service,
  bld: Buffer.alloc(32, 7).toString('base64url'),
  bev: 1,
  att: [1, 12_345],
  jti: Buffer.alloc(16, 1).toString('base64url'),
}

function times(): { readonly iat: number; readonly exp: number } {
  const iat = Math.floor(Date.now() / 1_000)
  return { iat, exp: iat + 3_600 }
}

async function mlDsaJwts(
  count: number,
): Promise<{ readonly verify: (jwt: string) => Promise<unknown>; readonly jwts: readonly string[] }> {
  const key = generatePrivateKey('ML-DSA-44')
  const signing = await importJWK({ ...privateJwk(key) }, 'ML-DSA-44')
  const verifying = await importJWK({ ...publicJwk(key.publicKey) }, 'ML-DSA-44')
  const jwts = await Promise.all(
    Array.from({ length: count }, () =>
      new SignJWT({ ...claimsJson, ...times() })
        .setProtectedHeader({ alg: 'ML-DSA-44', kid: key.publicKey.kid, typ: 'qip+jwt' })
        .sign(signing),
    ),
  )
  return { jwts, verify: (jwt) => jwtVerify(jwt, verifying, { audience: service, issuer: domainName }) }
}

function fastJwts(
  count: number,
  cache: boolean,
): { readonly verify: (jwt: string) => unknown; readonly jwts: readonly string[] } {
  const { privateKey, publicKey } = generateKeyPairSync('ed25519')
  const sign = createSigner({ key: privateKey.export({ type: 'pkcs8', format: 'pem' }), algorithm: 'EdDSA' })
  const jwts = Array.from({ length: count }, (_, jti) =>
    sign({ ...claimsJson, ...times(), jti: String(jti) }),
  )
  const verify = createFastJwtVerifier({
    key: publicKey.export({ type: 'spki', format: 'pem' }),
    algorithms: ['EdDSA'],
    allowedAud: service,
    ...(cache && { cache: count + 1 }),
  })
  return { jwts, verify }
}

/** How long a token is, beside a JWT of the same claims. */
export async function tokenChars(): Promise<Rows> {
  const domain = await newDomain()
  const tokens = await issueMany(domain, 1_024)
  const chars = Math.max(...tokens.map(({ text }) => text.length))
  const { jwts } = await mlDsaJwts(1)
  const jwt = jwts[0]?.length ?? 0
  return {
    token_chars: {
      value: chars,
      unit: 'characters',
      against: `ML-DSA-44 JWT, ${jwt}`,
      ratio: round(jwt / chars),
      bar: '<= 700',
      reached: chars <= 700,
    },
  }
}

/** A token that was never seen before: every check, with the head held. */
export async function verifyCold(): Promise<Rows> {
  const domain = await newDomain()
  const tokens = (await issueMany(domain, 16_384)).map(({ text }) => text)
  const { jwts, verify } = await mlDsaJwts(8)
  const fast = fastJwts(64, false)
  let verifier = domain.verifier({ cacheMax: 100_000 })
  let at = 0
  const timing = await timeRounds({
    ours: (count) => {
      for (let i = 0; i < count; i++) {
        // A new verifier once all were seen: nothing is ever in the cache.
        if (at === tokens.length) {
          verifier.close()
          verifier = domain.verifier({ cacheMax: 100_000 })
          at = 0
        }
        const verdict = verifier.verify({
          token: freshCopy(tokens[at++] ?? ''),
          tokenCount: 1,
          audience: service,
        })
        if (!('reason' in verdict) || verdict.reason !== 'ok_shallow') throw new Error('not verified at once')
      }
    },
    'fast-jwt Ed25519, uncached': (count) => {
      for (let i = 0; i < count; i++) fast.verify(freshCopy(fast.jwts[i % fast.jwts.length] ?? ''))
    },
    'jose ML-DSA-44': async (count) => {
      for (let i = 0; i < count; i++) await verify(freshCopy(jwts[i % jwts.length] ?? ''))
    },
  })
  const ours = timing.ours.median
  const fastRatio = timing['fast-jwt Ed25519, uncached'].median / ours
  const joseRatio = timing['jose ML-DSA-44'].median / ours
  return {
    verify_cold: {
      value: round(ours),
      unit: 'us',
      against: 'fast-jwt Ed25519, uncached',
      ratio: round(fastRatio),
      bar: '<= 15 us, >= 10 x fast-jwt, >= 15 x jose',
      reached: ours <= 15 && fastRatio >= 10 && joseRatio >= 15,
      detail: {
        best: round(timing.ours.best),
        'x jose ML-DSA-44': round(joseRatio),
        spread: round(timing.ours.spread),
      },
    },
  }
}

function shuffled(count: number): Uint32Array {
  const order = Uint32Array.from({ length: count }, (_, i) => i)
  for (let i = count - 1; i > 0; i--) {
    const j = Math.floor(Math.random() * (i + 1))
    ;[order[i], order[j]] = [order[j] as number, order[i] as number]
  }
  return order
}

/** Many-use tokens that come again, 50,000 of them in random order. */
export async function verifyCached(): Promise<Rows> {
  const count = 50_000
  const domain = await newDomain()
  const tokens = (await issueMany(domain, count)).map(({ text }) => text)
  const verifier = domain.verifier({ cacheMax: 100_000 })
  const order = shuffled(count)
  const fast = fastJwts(count, true)
  for (const token of tokens) void verifier.verify(domain.input(token, { audience: service }))
  for (const jwt of fast.jwts) fast.verify(jwt)
  let at = 0
  const timing = await timeRounds({
    ours: (wanted) => {
      for (let i = 0; i < wanted; i++) {
        const verdict = verifier.verify({
          token: tokens[order[at++ % count] as number],
          tokenCount: 1,
          audience: service,
        })
        if (!('reason' in verdict)) throw new Error('not cached')
      }
    },
    'fast-jwt with its cache': (wanted) => {
      for (let i = 0; i < wanted; i++) fast.verify(fast.jwts[order[at++ % count] as number] ?? '')
    },
  })
  const ours = timing.ours.median
  const ratio = timing['fast-jwt with its cache'].median / ours
  return {
    verify_cached: {
      value: round(ours),
      unit: 'us',
      against: 'fast-jwt with its cache',
      ratio: round(ratio),
      bar: '<= 2 us, >= 4 x fast-jwt',
      reached: ours <= 2 && ratio >= 4,
      detail: { best: round(timing.ours.best), spread: round(timing.ours.spread) },
    },
  }
}

function memoryMb(): number {
  for (let i = 0; i < 4; i++) globalThis.gc?.()
  const { heapUsed, external, arrayBuffers } = process.memoryUsage()
  return (heapUsed + external + arrayBuffers) / 1_048_576
}

/** What 100,000 tokens cost in the cache. */
export async function cacheMemory(): Promise<Rows> {
  const count = 100_000
  const domain = await newDomain()
  const texts = (await issueMany(domain, count)).map(({ text }) => Buffer.from(text))
  const verifier = domain.verifier({ cacheMax: count })
  const before = memoryMb()
  for (const text of texts) void verifier.verify(domain.input(text.toString('latin1'), { audience: service }))
  const used = memoryMb() - before
  const { cacheEntries } = verifier.stats()
  // Named after the measurement, or the texts would be collected during it and hide the cache's own size.
  const held = texts.length
  return {
    cache_mb: {
      value: round(used),
      unit: 'MB',
      bar: '<= 120',
      reached: used <= 120 && cacheEntries === count,
      detail: { entries: cacheEntries, tokens: held },
    },
  }
}

/** What a one-time token costs in the replay filter. */
export function replayMemory(): Promise<Rows> {
  const sparse = bytesPerToken({ tokens: 1_000_000, step: 50 })
  const dense = bytesPerToken({ tokens: 3_000_000, step: 1 })
  return Promise.resolve({
    replay_bytes: {
      value: round(sparse.bytes),
      unit: 'bytes per token, 1 of 50',
      bar: '<= 20 sparse, <= 2 dense, no false positive',
      reached: sparse.bytes <= 20 && dense.bytes <= 2 && sparse.false + dense.false === 0,
      detail: { dense: round(dense.bytes), 'false positives': sparse.false + dense.false },
    },
  })
}

function bytesPerToken({ tokens, step }: { tokens: number; step: number }): {
  readonly bytes: number
  readonly false: number
} {
  const nowMs = Date.now()
  const nowS = Math.floor(nowMs / 1_000)
  // The filter's size is fixed: the smallest that takes all tokens is what they cost.
  let low = tokens * 0.2
  let high = tokens * 40
  let falsePositives = 0
  while (high - low > tokens * 0.5) {
    const bytes = Math.floor((low + high) / 2)
    const filled = fill(bytes, { tokens, step, nowMs, nowS })
    if (filled.full) low = bytes
    else {
      high = bytes
      falsePositives += filled.false
    }
  }
  return { bytes: high / tokens, false: falsePositives }
}

interface Filling {
  readonly tokens: number
  readonly step: number
  readonly nowMs: number
  readonly nowS: number
}

function fill(
  bytes: number,
  { tokens, step, nowMs, nowS }: Filling,
): { readonly full: boolean; readonly false: number } {
  const filter = new ReplayFilter(allocateReplayMemory({ bytes, startedMs: nowMs - 10_000 }))
  filter.observe({ timeMs: nowMs, logs: new Map([['acme.example/tokens/1', { size: 0 }]]) })
  let wrong = 0
  for (let i = 0; i < tokens; i++) {
    const outcome = filter.consume({
      log: 'acme.example/tokens/1',
      index: i * step + 1,
      // As they are issued: neighbours end together, over two minutes.
      expiresS: nowS + 1 + Math.floor((i / tokens) * 119),
      issuedS: nowS,
      nowMs,
      requestId: undefined,
      proxy: undefined,
    })
    if (outcome === 'unavailable') return { full: true, false: wrong }
    if (outcome !== 'fresh') wrong++
  }
  return { full: false, false: wrong }
}

/** What counting one verification costs. */
export async function telemetryCost(): Promise<Rows> {
  const metrics = new Metrics({
    metrics: enforcementMetrics,
    sets: { service: [service], enforcement_point: ['gateway'], policy: ['default'] },
  })
  const observer = verifierObserver({ metrics, point: 'gateway' })
  const timing = await timeRounds({
    ours: (count) => {
      for (let i = 0; i < count; i++) observer.verification(service, 'ok', 'cold', 0.012)
    },
  })
  const us = timing.ours.median
  return { telemetry_us: { value: round(us), unit: 'us', bar: '<= 0.2', reached: us <= 0.2 } }
}
