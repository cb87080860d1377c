// possession: what judging a token costs that is bound to a key, beside one that is not, and beside JWTs with DPoP checked by jose.
import { createHash } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { proofAlgorithms } from '@quantum-ip/crypto'
import type { VerifyInput } from '@quantum-ip/verifier'
import {
  calculateJwkThumbprint,
  EmbeddedJWK,
  exportJWK,
  generateKeyPair,
  type JWK,
  jwtVerify,
  SignJWT,
} from 'jose'
import { createTestDomain, type TestDomain } from '../../packages/core/verifier/test/fixture.ts'
import { boundTo, possessionKeys, proofFor } from '../../packages/core/verifier/test/possession-cases.ts'
import { percentile, round, type Rows } from '../lib/measure.ts'
import { caller, domainName, service } from '../lib/tokens.ts'

const rounds = 9
const warmRounds = 2
const perRound = 300

/** Judges a request that was made before: with the proof that it alone has. */
type Judge = () => Promise<void>

/** Makes the requests of a round. */
type Maker = () => Promise<readonly Judge[]>

const request = { method: 'GET', authority: 'shop.acme.example', target: '/cart', scheme: 'https' } as const
const uri = 'https://shop.acme.example/cart'

async function times(make: () => Promise<Judge>): Promise<readonly Judge[]> {
  const made: Judge[] = []
  while (made.length < perRound) made.push(await make())
  return made
}

async function ours(): Promise<Readonly<Record<string, Maker>>> {
  const clock = { now: () => Date.now(), set: () => {}, advance: () => Date.now() }
  const domain: TestDomain = await createTestDomain({ td: domainName, clock })
  const verifier = domain.verifier()
  // Proofs from before its memory began could have been used before: it takes none of them.
  await sleep(2_100)
  await domain.publish()
  const claims = { sub: caller, aud: [service], bld: new Uint8Array(32).fill(7), bev: 1 as const }
  const tokenWith = async (cnf?: Parameters<TestDomain['issueOne']>[0]): Promise<string> => {
    const tokens = await domain.issue(Array.from({ length: 1_024 }, () => ({ ...claims, ...cnf })))
    return tokens[517]?.text ?? ''
  }
  const judge = async (input: Partial<VerifyInput>): Promise<void> => {
    const { reason } = await verifier.verify({ tokenCount: 1, audience: service, request, ...input })
    if (reason !== 'ok_shallow' && reason !== 'ok') throw new Error(`not what the bench asked for: ${reason}`)
  }
  const unbound = await tokenWith()
  const thumbprint = new Uint8Array(32).fill(9)
  const certified = await tokenWith({ cnf: { x5tS256: thumbprint } })
  const makers: Record<string, Maker> = {
    unbound: () => times(async () => () => judge({ token: unbound })),
    certificate: () =>
      times(async () => () => judge({ token: certified, clientCertificateThumbprint: thumbprint })),
  }
  for (const alg of proofAlgorithms) {
    const keys = possessionKeys(alg)
    const token = await tokenWith({ cnf: boundTo(keys.own) })
    makers[alg] = () =>
      times(async () => {
        const proof = await proofFor({ keys, token, otherToken: '', uri, nowS: Date.now() / 1_000 })
        return () => judge({ token, proof, proofCount: 1 })
      })
  }
  return makers
}

/** RFC 9449, section 4.3: the token, the proof under the key that it brings, and that both speak of each other and of this request. */
async function dpop(alg: 'ES256' | 'Ed25519'): Promise<Maker> {
  const issuer = await generateKeyPair(alg)
  const bearer = await generateKeyPair(alg, { extractable: true })
  const jwk: JWK = await exportJWK(bearer.publicKey)
  const terms = { issuer: domainName, audience: service }
  const token = await new SignJWT({ sub: caller, cnf: { jkt: await calculateJwkThumbprint(jwk) } })
    .setProtectedHeader({ alg })
    .setIssuer(terms.issuer)
    .setAudience(terms.audience)
    .setIssuedAt()
    .setExpirationTime('1h')
    .sign(issuer.privateKey)
  const hash = (): string => createHash('sha256').update(token).digest('base64url')
  const seen = new Set<string>()
  return () =>
    times(async () => {
      const proof = await new SignJWT({ htm: 'GET', htu: uri, jti: crypto.randomUUID(), ath: hash() })
        .setProtectedHeader({ alg, typ: 'dpop+jwt', jwk })
        .setIssuedAt()
        .sign(bearer.privateKey)
      return async () => {
        const { payload } = await jwtVerify(token, issuer.publicKey, terms)
        const shown = await jwtVerify(proof, EmbeddedJWK, {
          typ: 'dpop+jwt',
          algorithms: [alg],
          maxTokenAge: 60,
        })
        const { jti = '', htm, htu, ath } = shown.payload
        const thumbprint = await calculateJwkThumbprint(shown.protectedHeader.jwk as JWK)
        const { jkt } = payload['cnf'] as { readonly jkt: string }
        if (thumbprint !== jkt || htm !== 'GET' || htu !== uri || ath !== hash() || seen.has(jti))
          throw new Error('not what the bench asked for')
        seen.add(jti)
      }
    })
}

/** Microseconds of one judgement, the next when the one before is done: waiting, and processor time with the pool's threads. */
async function measure(make: Maker): Promise<{ readonly us: number; readonly cpuUs: number }> {
  const judges = await make()
  const before = process.cpuUsage()
  const started = performance.now()
  for (const judge of judges) await judge()
  const us = ((performance.now() - started) * 1_000) / judges.length
  const { user, system } = process.cpuUsage(before)
  return { us, cpuUs: (user + system) / judges.length }
}

/** Compares them, in turns. Every proof is used once, as it must be. */
export async function possession(): Promise<Rows> {
  const makers: Readonly<Record<string, Maker>> = {
    ...(await ours()),
    'jose DPoP ES256': await dpop('ES256'),
    'jose DPoP Ed25519': await dpop('Ed25519'),
  }
  const names = Object.keys(makers)
  const figures = new Map(names.map((name) => [name, { us: [] as number[], cpuUs: [] as number[] }]))
  for (let turn = -warmRounds; turn < rounds; turn++) {
    const first = Math.abs(turn) % names.length
    for (const name of [...names.slice(first), ...names.slice(0, first)]) {
      const { us, cpuUs } = await measure(makers[name] as Maker)
      if (turn < 0) continue
      figures.get(name)?.us.push(us)
      figures.get(name)?.cpuUs.push(cpuUs)
    }
  }
  const us = (name: string): number => percentile(figures.get(name)?.us ?? [], 0.5)
  const cpu = (name: string): number => percentile(figures.get(name)?.cpuUs ?? [], 0.5)
  return {
    possession: {
      value: round(us('ES256')),
      unit: 'us to judge a token with its proof by ES256',
      against: 'jose with DPoP by ES256',
      ratio: round(us('jose DPoP ES256') / us('ES256')),
      detail: {
        'x jose with DPoP, Ed25519': round(us('jose DPoP Ed25519') / us('Ed25519')),
        ...Object.fromEntries(
          names.map((name) => [`${name} us, cpu`, `${round(us(name))} ${round(cpu(name))}`]),
        ),
      },
    },
  }
}
