import { base64url, hex, limits, trustDomainOf, u32be } from '@quantum-ip/base'
import type { Claims, JwtToken, MerkleToken } from '@quantum-ip/token'
import { plural } from './plural.ts'
import { formatMoment, formatSpan } from './times.ts'

/** One field of a token: what it says, and what that means. */
export interface ReportRow {
  readonly name: string
  readonly value: string
  readonly means?: string
}

const evidenceWords = [
  'declared: somebody said so, and nobody looked',
  'platform: the API server or the kubelet said so',
  'measured: a node agent hashed what it started',
  'hardware: a trusted platform vouches for it',
] as const

/** Everything that the claims say, each with what it means. The nonce only if it is asked for: it is the bearer secret. */
export function claimRows(
  claims: Claims,
  { nowMs, showSecret }: { nowMs: number; showSecret: boolean },
): readonly ReportRow[] {
  const { sub, aud, exp, iat, jti } = claims
  return [
    { name: 'caller', value: sub, means: `who calls; the authority of ${trustDomainOf(sub)} says so` },
    ...audienceRows(aud),
    { name: 'issued', value: formatMoment(iat * 1_000, nowMs) },
    {
      name: 'expires',
      value: formatMoment(exp * 1_000, nowMs),
      means: `good for ${formatSpan((exp - iat) * 1_000)}`,
    },
    useRow(claims),
    ...buildRows(claims),
    ...bindingRows(claims),
    ...chainRows(claims),
    {
      name: 'nonce',
      value: showSecret ? base64url(jti) : 'not shown',
      means: 'the bearer secret: whoever has it can make this token (--show-secret)',
    },
  ]
}

function audienceRows(aud: readonly string[]): readonly ReportRow[] {
  const rows: ReportRow[] = aud.map((value, at) => ({ name: at === 0 ? 'for' : '', value }))
  const means = aud.length === 1 ? 'only this service takes it' : 'only these services take it'
  return [...rows.slice(0, -1), { ...(rows.at(-1) ?? { name: 'for', value: '' }), means }]
}

function useRow({ use }: Claims): ReportRow {
  return use === 1
    ? { name: 'use', value: 'once', means: 'the service that it is for takes it one time' }
    : { name: 'use', value: 'many times', means: 'until it expires' }
}

function buildRows({ bld, bev, att }: Claims): readonly ReportRow[] {
  if (bld === undefined)
    return [{ name: 'build', value: 'none', means: 'nothing is said about what was running' }]
  const evidence = bev === undefined ? 'how it was established is not said' : evidenceWords[bev]
  const build = { name: 'build', value: `sha256:${hex(bld)}`, means: evidence }
  if (att === undefined) return [build, { name: 'attested', value: 'no attestation is named' }]
  const [log, index] = att
  return [
    build,
    {
      name: 'attested',
      value: `attestations/${log}, entry ${index}`,
      means: 'the attestation that admission relied on',
    },
  ]
}

function bindingRows({ cnf, req }: Claims): readonly ReportRow[] {
  const rows: ReportRow[] = []
  if (cnf === undefined)
    rows.push({ name: 'bound to', value: 'nobody', means: 'whoever holds it can use it' })
  else if (cnf.jkt === undefined) {
    const means = 'SHA-256 of the client certificate that must stand behind the connection'
    rows.push({ name: 'bound to', value: `certificate ${base64url(cnf.x5tS256)}`, means })
  } else {
    const means = 'thumbprint of the key that the bearer must prove to hold'
    rows.push({ name: 'bound to', value: `key ${base64url(cnf.jkt)}`, means })
  }
  if (req === undefined) return rows
  const means = 'SHA-256 over method, authority, target and content: for that one request only'
  return [...rows, { name: 'request', value: base64url(req), means }]
}

function chainRows({ chn = [] }: Claims): readonly ReportRow[] {
  return chn.map(({ sid, log, index, attLog, attIndex }, at) => {
    const attested = attLog === 0 ? 'no attestation' : `attestations/${attLog}, entry ${attIndex}`
    return {
      name: at === 0 ? 'chain' : '',
      value: `${at + 1}. ${sid}`,
      means: `was in the call: tokens/${log}, entry ${index}; ${attested}`,
    }
  })
}

/** Where a Merkle token stands in its log. */
export function placeRows(token: MerkleToken): readonly ReportRow[] {
  const { keyId, index, start, end, path, digest, sigs, claimsBytes } = token
  const size = end - start
  return [
    { name: 'key', value: hex(u32be(keyId)), means: 'names the issuing key, and with it the token log' },
    { name: 'entry', value: String(index), means: 'its place in that log' },
    {
      name: 'batch',
      value: `[${start}, ${end})`,
      means: `${plural(size, 'entry', 'entries')} under one signed head`,
    },
    {
      name: 'proof',
      value: `${plural(path.count, 'hash', 'hashes')}, ${path.count * 32} bytes`,
      means: 'from its entry up to the head',
    },
    {
      name: 'digest',
      value: hex(digest),
      means: 'SHA-256 of the claims: its public name, and what is logged',
    },
    { name: 'claims', value: `${claimsBytes.length} bytes`, means: `at most ${limits.claimsBytesMax}` },
    ...sigs.map((sig, at) => ({
      name: at === 0 ? 'signed by' : '',
      value: `${hex(u32be(sig.keyId))}, ${sig.signature.length} bytes`,
      means:
        sig.signature.length === 64
          ? 'Ed25519, beside ML-DSA-44'
          : 'ML-DSA-44 over the head: the token brings it along',
    })),
  ]
}

/** Where a token in the JWT form stands in its log. */
export function jwtRows({
  alg,
  kid,
  log,
  index,
  digest,
  signature,
  payload,
}: JwtToken): readonly ReportRow[] {
  return [
    { name: 'signed by', value: `${alg}, ${signature.length} bytes` },
    { name: 'key', value: kid, means: 'thumbprint of the signing key; it chooses nothing here' },
    { name: 'entry', value: `${index} of tokens/${log}`, means: 'its place in the token log' },
    {
      name: 'digest',
      value: hex(digest),
      means: 'SHA-256 of the payload: its public name, and what is logged',
    },
    { name: 'payload', value: `${payload.length} bytes`, means: `at most ${limits.claimsBytesMax}` },
  ]
}
