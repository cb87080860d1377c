// issue_bulk, issue_single, attest_register: through the HTTP API, the server on one core.
import { randomBytes } from 'node:crypto'
import { fileURLToPath } from 'node:url'
import { importJWK, SignJWT } from 'jose'
import { buildProvenance, signStatement } from '@quantum-ip/attestation'
import {
  formatEnvelope,
  generatePrivateKey,
  parsePrivateJwk,
  privateJwk,
  type PrivateKey,
} from '@quantum-ip/crypto'
import { leaveServerCore, startServer } from '../lib/child.ts'
import { admitOver, type HttpSession, postIn, postOpen } from '../lib/http-session.ts'
import { percentile, round, type Rows } from '../lib/measure.ts'

/** What the authority of the bench prints when it is ready. */
export interface AuthorityInfo {
  readonly url: string
  readonly td: string
  readonly builder: string
  readonly builderKeys: readonly Record<string, string>[]
  readonly joinTokens: readonly string[]
  readonly memberTokens: readonly string[]
  readonly pins: { readonly thumbprints: readonly string[]; readonly threshold: number }
}

/** The file of the bench's authority. */
export const authorityFile = fileURLToPath(new URL('../servers/authority.ts', import.meta.url))

const rawFile = fileURLToPath(new URL('../servers/raw-verify.ts', import.meta.url))

interface LoadResult {
  readonly perS: number
  readonly cpuUs: number
  readonly latencies: readonly number[]
}

async function load(
  options: { readonly requests: number; readonly concurrency: number; readonly cpuUs: () => Promise<number> },
  act: (number: number) => Promise<unknown>,
): Promise<LoadResult> {
  const latencies: number[] = []
  let sent = 0
  const cpuBefore = await options.cpuUs()
  const started = performance.now()
  const worker = async (): Promise<void> => {
    while (sent < options.requests) {
      const number = sent++
      const asked = performance.now()
      await act(number)
      latencies.push(performance.now() - asked)
    }
  }
  await Promise.all(Array.from({ length: options.concurrency }, worker))
  const seconds = (performance.now() - started) / 1_000
  return {
    perS: options.requests / seconds,
    cpuUs: ((await options.cpuUs()) - cpuBefore) / options.requests,
    latencies,
  }
}

/** Signing a JWT of the same claims with ML-DSA-44, on one core: tokens per second. */
async function joseSignsPerS(): Promise<number> {
  const key = await importJWK({ ...privateJwk(generatePrivateKey('ML-DSA-44')) }, 'ML-DSA-44')
  const claims = {
    sub: 'spiffe://acme.example/ns/prod/sa/checkout-app',
    aud: 'spiffe://acme.example/ns/prod/sa/shop',
  }
  const sign = (): Promise<string> =>
    new SignJWT(claims)
      .setProtectedHeader({ alg: 'ML-DSA-44' })
      .setIssuedAt()
      .setExpirationTime('5m')
      .sign(key)
  for (let i = 0; i < 20; i++) await sign()
  const started = performance.now()
  const count = 600
  for (let i = 0; i < count; i++) await sign()
  return (count * 1_000) / (performance.now() - started)
}

async function withAuthority<T>(
  act: (
    session: HttpSession,
    server: { readonly info: AuthorityInfo; cpuUs(): Promise<number> },
  ) => Promise<T>,
  args: readonly string[] = [],
): Promise<T> {
  leaveServerCore()
  await using server = await startServer<AuthorityInfo>(authorityFile, args)
  const session = await admitOver(server.info.url, server.info.joinTokens[0] ?? '', 64)
  try {
    return await act(session, server)
  } finally {
    await session.pool.close()
  }
}

/** 1,000 tokens per request, durable and logged. */
export async function issueBulk(): Promise<Rows> {
  const jose = await joseSignsPerS()
  return withAuthority(async (session, server) => {
    const body = JSON.stringify({
      audience: `${server.info.td}/ns/prod/sa/shop`,
      count: 1_000,
      oneTime: true,
    })
    const options = { concurrency: 4, cpuUs: () => server.cpuUs() }
    await load({ ...options, requests: 40 }, () => postIn(session, '/v1/tokens', body))
    const results: LoadResult[] = []
    for (let i = 0; i < 5; i++)
      results.push(await load({ ...options, requests: 80 }, () => postIn(session, '/v1/tokens', body)))
    const perS = percentile(
      results.map((result) => result.perS * 1_000),
      0.5,
    )
    return {
      issue_bulk: {
        value: Math.round(perS),
        unit: 'tokens/s',
        against: 'jose signing ML-DSA-44 JWTs',
        ratio: round(perS / jose),
        bar: '>= 40000, >= 40 x jose',
        reached: perS >= 40_000 && perS / jose >= 40,
        detail: {
          'cpu us/token': round(
            percentile(
              results.map(({ cpuUs }) => cpuUs / 1_000),
              0.5,
            ),
          ),
          'jose/s': Math.round(jose),
        },
      },
    }
  })
}

/** 1,000 tokens per request, durable in a real PostgreSQL on this machine (its disk, its `fsync`; no standby). */
export async function pgIssueBulk(): Promise<Rows> {
  const { openPostgresServer, postgresSkip } = await import('../../scripts/real-postgres.ts')
  if (postgresSkip !== false) throw new Error(postgresSkip)
  await using database = await openPostgresServer()
  return await withAuthority(
    async (session, server) => {
      const body = JSON.stringify({
        audience: `${server.info.td}/ns/prod/sa/shop`,
        count: 1_000,
        oneTime: true,
      })
      const options = { concurrency: 4, cpuUs: () => server.cpuUs() }
      await load({ ...options, requests: 40 }, () => postIn(session, '/v1/tokens', body))
      const results: LoadResult[] = []
      for (let i = 0; i < 5; i++)
        results.push(await load({ ...options, requests: 80 }, () => postIn(session, '/v1/tokens', body)))
      const perS = percentile(
        results.map((result) => result.perS * 1_000),
        0.5,
      )
      const latencies = results.flatMap((result) => result.latencies)
      return {
        pg_issue_bulk: {
          value: Math.round(perS),
          unit: 'tokens/s',
          bar: '>= 10000',
          reached: perS >= 10_000,
          detail: {
            'p50 ms': round(percentile(latencies, 0.5)),
            'p99 ms': round(percentile(latencies, 0.99)),
          },
        },
      }
    },
    [database.url],
  )
}

/** 64 callers, one token each. */
export function issueSingle(): Promise<Rows> {
  return withAuthority(async (session, server) => {
    const body = JSON.stringify({ audience: `${server.info.td}/ns/prod/sa/shop`, oneTime: true })
    const options = { concurrency: 64, cpuUs: () => server.cpuUs() }
    await load({ ...options, requests: 4_000 }, () => postIn(session, '/v1/tokens', body))
    const results: LoadResult[] = []
    for (let i = 0; i < 3; i++)
      results.push(await load({ ...options, requests: 10_000 }, () => postIn(session, '/v1/tokens', body)))
    const perS = percentile(
      results.map((result) => result.perS),
      0.5,
    )
    const p50 = percentile(
      results.map(({ latencies }) => percentile(latencies, 0.5)),
      0.5,
    )
    const p99 = percentile(
      results.map(({ latencies }) => percentile(latencies, 0.99)),
      0.5,
    )
    return {
      issue_single: {
        value: Math.round(perS),
        unit: 'requests/s',
        bar: '>= 3000/s, p99 within 40 ms of p50',
        reached: perS >= 3_000 && p99 - p50 <= 40,
        detail: {
          'p50 ms': round(p50),
          'p99 ms': round(p99),
          'cpu us': round(
            percentile(
              results.map(({ cpuUs }) => cpuUs),
              0.5,
            ),
          ),
        },
      },
    }
  })
}

async function signedEnvelopes(
  count: number,
  builder: string,
  keys: readonly PrivateKey[],
): Promise<readonly string[]> {
  return Promise.all(
    Array.from({ length: count }, async () => {
      const statement = buildProvenance({
        artifacts: [{ name: 'shop.tgz', build: randomBytes(32) }],
        buildType: 'https://acme.example/build/v1',
        builderId: builder,
        source: {
          uri: 'git+https://git.acme.example/shop/checkout',
          ref: 'refs/heads/main',
          commit: 'ab'.repeat(20),
        },
      })
      return formatEnvelope(await signStatement(statement, keys))
    }),
  )
}

/** Both signatures verified, appended, a receipt signed, over HTTP. */
export function attestRegister(): Promise<Rows> {
  return withAuthority(async (session, server) => {
    const keys = server.info.builderKeys.map((jwk) => parsePrivateJwk(jwk))
    const envelopes = await signedEnvelopes(6_000, server.info.builder, keys)
    const options = { concurrency: 32, cpuUs: () => server.cpuUs() }
    const register = (number: number): Promise<string> =>
      postOpen(session.pool, '/v1/attestations', JSON.stringify({ envelope: envelopes[number] }))
    await load({ ...options, requests: 2_000 }, register)
    const { perS, cpuUs } = await load({ ...options, requests: 4_000 }, (number) => register(number + 2_000))
    await using alone = await startServer<{ readonly perS: number }>(rawFile)
    const raw = alone.info.perS
    return {
      attest_register: {
        value: Math.round(perS),
        unit: 'attestations/s',
        against: 'the same two verifications alone, on the same core',
        ratio: round(perS / raw),
        bar: '>= 0.4 of the raw rate',
        reached: perS / raw >= 0.4,
        detail: { 'raw/s': Math.round(raw), 'cpu us': round(cpuUs) },
      },
    }
  })
}
