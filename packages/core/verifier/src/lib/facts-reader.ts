import { Buffer } from 'node:buffer'
import { trustDomainName, trustDomainOf } from '@quantum-ip/base'
import { sha256Latin1 } from '@quantum-ip/crypto'
import type { Claims, Confirmation, Hop, JwtToken, MerkleToken } from '@quantum-ip/token'
import { type AttestationFacts, bindingEvidences, type BuildFacts, type TokenForm } from '../verdict.ts'
import { type HopFacts, TokenFacts } from './token-facts.ts'

const sharedMax = 10_000
const noHops: readonly HopFacts[] = Object.freeze([])

interface SharedBuild {
  readonly facts: BuildFacts
  attestation: AttestationFacts | undefined
}

/**
 * Makes {@link TokenFacts} of parsed tokens. What many tokens have in common, service IDs, builds and origins,
 * is shared among them: that halves what a cached token takes, and finds it in the processor's cache.
 */
export class FactsReader {
  readonly #td: string
  readonly #texts = new Map<string, readonly [string]>()
  readonly #builds = new Map<string, SharedBuild>()
  readonly #origins = new Map<string, string>()

  /** `td` is the trust domain that most tokens are of. */
  constructor(td: string) {
    this.#td = td
  }

  read(token: MerkleToken | JwtToken, form: TokenForm = token.form): TokenFacts {
    const { claims } = token
    const { cnf, req, chn, aud } = claims
    const build = this.#build(claims)
    const [sub] = this.#text(claims.sub)
    const td = this.#domainOf(sub)
    const isJwt = token.form === 'jwt'
    return new TokenFacts({
      form,
      td,
      sub,
      aud: aud.length === 1 ? this.#text(aud[0] ?? '') : aud.map((one) => this.#text(one)[0]),
      exp: claims.exp,
      iat: claims.iat,
      oneTime: claims.use === 1,
      cnf: cnf && copyConfirmation(cnf),
      req: req && new Uint8Array(req),
      hops: chn === undefined ? noHops : chn.map((hop) => this.#hop(td, hop)),
      build: build?.facts,
      attestation: this.#attestation(td, claims, build),
      digestText: sha256Latin1(isJwt ? token.payload : token.claimsBytes),
      index: token.index,
      keyId: isJwt ? 0 : token.keyId,
      start: isJwt ? 0 : token.start,
      end: isJwt ? 0 : token.end,
      kid: isJwt ? token.kid : '',
      log: isJwt ? this.#origin(td, 'tokens', token.log) : '',
    })
  }

  #domainOf(sub: string): string {
    const td = this.#td
    return sub.startsWith(td) && sub[td.length] === '/' ? td : trustDomainOf(sub)
  }

  #text(text: string): readonly [string] {
    const known = this.#texts.get(text)
    if (known !== undefined) return known
    return share(this.#texts, text, [text])
  }

  #build({ bld, bev = 0 }: Claims): SharedBuild | undefined {
    if (bld === undefined) return undefined
    const name = bev + Buffer.from(bld.buffer, bld.byteOffset, 32).toString('latin1')
    const known = this.#builds.get(name)
    if (known !== undefined) return known
    const facts = { digest: new Uint8Array(bld), evidence: bindingEvidences[bev] }
    return share(this.#builds, name, { facts, attestation: undefined })
  }

  // Tokens of one build mostly name one attestation: the last one is kept with the build.
  #attestation(td: string, { att }: Claims, build: SharedBuild | undefined): AttestationFacts | undefined {
    if (att === undefined) return undefined
    const log = this.#origin(td, 'attestations', att[0])
    const last = build?.attestation
    if (last?.index === att[1] && last.log === log) return last
    const attestation = { log, index: att[1] }
    if (build !== undefined) build.attestation = attestation
    return attestation
  }

  #origin(td: string, kind: 'tokens' | 'attestations', n: number): string {
    const name = `${trustDomainName(td)}/${kind}/${n}`
    return this.#origins.get(name) ?? share(this.#origins, name, name)
  }

  #hop(td: string, { sid, attLog, attIndex, log, index }: Hop): HopFacts {
    return {
      sid: this.#text(sid)[0],
      attestationLog: attLog,
      attestationIndex: attIndex,
      log,
      index,
      logOrigin: this.#origin(td, 'tokens', log),
      attestationOrigin: attLog === 0 ? '' : this.#origin(td, 'attestations', attLog),
    }
  }
}

function share<Value>(map: Map<string, Value>, name: string, value: Value): Value {
  if (map.size >= sharedMax) map.clear()
  map.set(name, value)
  return value
}

function copyConfirmation({ jkt, x5tS256 }: Confirmation): Confirmation {
  return jkt === undefined ? { x5tS256: new Uint8Array(x5tS256) } : { jkt: new Uint8Array(jkt) }
}
