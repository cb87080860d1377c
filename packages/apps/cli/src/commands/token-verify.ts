import { attestationSource, headSource, referenceSource, requestObject } from '@quantum-ip/client'
import { headerNames, readToken, TokenRefusal } from '@quantum-ip/token'
import { createVerifier, type Verdict, verdictTable } from '@quantum-ip/verifier'
import { hex, systemClock } from '@quantum-ip/base'
import { CliError } from '../cli-errors.ts'
import type { Outcome } from '../exit-codes.ts'
import { advice } from '../lib/advice.ts'
import { type AskedAuthority, askAuthority } from '../lib/authority.ts'
import type { TrustOptions } from '../lib/authority-options.ts'
import { type AuthorityTrust, readAuthorityTrust } from '../lib/authority-trust.ts'
import type { Io } from '../lib/io.ts'
import { type Output, tone } from '../lib/output.ts'
import { readTokenArgument } from '../lib/read-secret.ts'
import { formatMoment, formatSpan } from '../lib/times.ts'
import { verdictJson } from '@quantum-ip/point'

/** The options of `qip token verify`. */
export interface VerifyTokenOptions extends TrustOptions {
  readonly audience?: string
  readonly head?: string
  readonly deep?: boolean
}

/** What `qip token verify` is called with. */
export interface VerifyTokenCall {
  readonly run: Io
  readonly token: string | undefined
  readonly options: VerifyTokenOptions
}

/** Verifies a token by what the authority has signed, with the very engine of the enforcement points. */
export async function verifyToken(
  output: Output,
  { run, token, options }: VerifyTokenCall,
): Promise<Outcome> {
  const text = await readTokenArgument(run, token)
  await using asked = await askAuthority(options)
  const trust = await readAuthorityTrust(asked, options, systemClock.now())
  const audience = options.audience ?? (await ownAudience(asked, text))
  const verdict = await judge(asked, trust, { text, audience, options })
  const { status, reason } = verdict
  const means = verdictTable[reason].when
  const trusted = {
    seq: trust.store.state?.seq ?? 0,
    ageMs: trust.store.ageMs(systemClock.now()),
    root: trust.pinned,
  }
  const json = {
    ok: status === 'verified',
    audience: audience === nobody ? null : audience,
    verdict: verdictJson(verdict),
    means,
    next: advice[reason],
    trust: trusted,
  }
  output.show(json, () => {
    output.line(tone(status === 'verified' ? 'good' : 'bad', status), tone('strong', reason))
    output.line(' ', means)
    output.facts(factRows(verdict, audience))
    output.line(
      tone(
        'dim',
        `  by signed state ${trusted.seq}, ${formatSpan(trusted.ageMs)} old; root keys: ${rootText(trust)}`,
      ),
    )
    if (verdict.oneTime)
      output.line(tone('dim', '  whether it was used before, only the service that it is for knows'))
    if (status !== 'verified') output.line('  next:', advice[reason])
  })
  return status === 'verified' ? 'ok' : 'no'
}

const nobody = 'spiffe://none/none'

interface Judging {
  readonly text: string
  readonly audience: string
  readonly options: VerifyTokenOptions
}

async function judge(asked: AskedAuthority, { store }: AuthorityTrust, judging: Judging): Promise<Verdict> {
  const { text, audience, options } = judging
  const { requester } = asked
  const verifier = createVerifier({
    trust: store,
    clock: systemClock,
    heads: { source: headSource(requester) },
    references: { source: referenceSource(requester) },
    // Not used up: this is a look at the token, not a request with it.
    replay: { scope: 'instance', consume: () => 'fresh', observe: () => undefined, ready: () => true },
    ...(options.deep === true && {
      attestations: { source: attestationSource(requester), deep: 'always' as const },
    }),
  })
  return verifier.verify({
    token: text,
    tokenCount: 1,
    audience,
    ...(options.head !== undefined && {
      staple: options.head.replace(new RegExp(`^${headerNames.head}:\\s*`, 'i'), ''),
    }),
    acceptStandalone: true,
    acceptJwt: true,
    acceptReference: true,
  })
}

async function ownAudience(asked: AskedAuthority, text: string): Promise<string> {
  const read = readToken(text)
  // It is malformed for whomever it was meant.
  if (read instanceof TokenRefusal) return nobody
  if (read.form !== 'reference') return read.claims.aud[0] ?? ''
  const request = {
    operation: 'a reference token',
    method: 'POST',
    target: '/v1/references',
    json: { token: text },
  } as const
  const resolved = readToken((await requestObject(asked.requester, request)).text('token'))
  if (!(resolved instanceof TokenRefusal) && resolved.form !== 'reference')
    return resolved.claims.aud[0] ?? ''
  throw new CliError('QIP_CLI_USAGE', {
    reason: 'nothing says whom the token is for',
    next: '--audience <service>',
  })
}

function factRows(verdict: Verdict, audience: string) {
  const { identity, claimedSubject, build, chain, token, expiresS, attestation } = verdict
  return [
    identity === undefined ? undefined : (['caller', identity] as const),
    claimedSubject === undefined
      ? undefined
      : (['claims', `${claimedSubject}, which is not proven`] as const),
    audience === nobody ? undefined : (['for', audience] as const),
    build === undefined ? undefined : (['build', `sha256:${hex(build.digest)}, ${build.evidence}`] as const),
    build?.builder === undefined ? undefined : (['builder', build.builder] as const),
    attestation === undefined
      ? undefined
      : (['attested', `${attestation.log}, entry ${attestation.index}`] as const),
    ...(chain ?? []).map(({ sid }, at) => [at === 0 ? 'chain' : '', sid] as const),
    token === undefined ? undefined : (['token', `${token.log}, entry ${token.index}`] as const),
    expiresS === undefined
      ? undefined
      : (['expires', formatMoment(expiresS * 1_000, systemClock.now())] as const),
  ]
}

function rootText({ pinned }: AuthorityTrust): string {
  if (pinned === 'pinned') return 'pinned'
  return pinned === 'own socket' ? "this machine's own authority" : 'on the word of the authority'
}
